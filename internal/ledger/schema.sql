-- The write-side index and queue of the record. The record itself is the Kafka topic
-- "record"; what stands here of it can be made again from there, except what is queued.
--
-- facts, numbers, tiles: insert-only (adoption removes what was never published). queue: a row
-- per append that waits for its numbers. Long transactions do not belong near it.

create schema if not exists ledger;

-- Who numbers (term: every sequencer begins one of its own), and how far it came.
create table if not exists ledger.head (
    one    boolean primary key default true check (one),
    term   bigint  not null default 0,
    seq    bigint  not null default 0, -- the highest number given
    halted text                        -- why nothing may be appended; null is normal
);
alter table ledger.head add column if not exists
    root   bytea;                      -- of the tree over facts 1 to seq; null: it is still to be grown
insert into ledger.head default values on conflict do nothing;

-- The Merkle tree: full tiles of 256 hashes, as https://c2sp.org/tlog-tiles cuts them. Written
-- with the numbers of the facts that fill them, and never changed. Level 0 are the facts.
create table if not exists ledger.tiles (
    level  int    not null,
    index  bigint not null,
    root   bytea  not null, -- of the tile's hashes: one hash of the tile above
    hashes bytea  storage external not null,
    primary key (level, index)
);

-- Up to where the record is published: acknowledged by Kafka, uploads handed to the processor.
create table if not exists ledger.published (
    one      boolean primary key default true check (one),
    through  bigint  not null default 0,
    "offset" bigint  not null default 0 -- a copy of through stands there or later
);
insert into ledger.published default values on conflict do nothing;

create table if not exists ledger.streams (
    stream  text   primary key,
    version bigint not null
) with (fillfactor = 70);

create sequence if not exists ledger.position;

-- pos: the append, in an order that keeps each stream's; idx: the fact's place in it.
create table if not exists ledger.facts (
    pos     bigint not null,
    idx     int    not null,
    id      uuid   not null,
    stream  text   not null,
    version bigint not null,
    body    bytea  storage external not null, -- the stored bytes: Kafka's value
    primary key (pos, idx),
    constraint facts_id unique (id),
    constraint facts_version unique (stream, version)
);

-- Of few facts, and any collation will do.
create index if not exists facts_of_projections on ledger.facts (pos, idx) where stream like 'projection/%';

create table if not exists ledger.queue (
    pos   bigint primary key,
    facts int    not null,
    bytes int    not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- The revision of the rules that the append's decisions rest on; null: it holds none.
alter table ledger.queue add column if not exists rests_on bigint;

-- Which revisions of the rules were put in force, each by which append. The highest is in
-- force: none is activated after a higher one.
create table if not exists ledger.activations (
    revision bigint primary key,
    pos      bigint not null
);

create table if not exists ledger.numbers (
    seq bigint primary key,
    pos bigint not null,
    idx int    not null,
    constraint numbers_fact unique (pos, idx)
);

-- What was signed about the tree's heads, in its order. The topic "checkpoints" holds the same,
-- and only what stands there is public. Insert-only, but for the offset.
create table if not exists ledger.checkpoints (
    n        bigint      primary key, -- 1, 2, 3 …
    kind     text        not null check (kind in ('key', 'checkpoint', 'cosigned', 'rotation')),
    size     bigint      not null,    -- of the tree; of a rotation: of the last checkpoint before it
    note     bytea       not null,
    at       timestamptz not null,
    "offset" bigint                   -- where it stands in the topic, -1: somewhere; null: not there yet
);
create unique index if not exists checkpoints_size on ledger.checkpoints (size) where kind = 'checkpoint';
create index if not exists checkpoints_heads on ledger.checkpoints (size, n) where kind in ('checkpoint', 'cosigned');
create index if not exists checkpoints_keys on ledger.checkpoints (n) where kind in ('key', 'rotation');
create index if not exists checkpoints_offset on ledger.checkpoints ("offset", n);

-- Requests that were carried out, for a day.
create table if not exists ledger.requests (
    request text        primary key,
    pos     bigint      not null,
    at      timestamptz not null
);
create index if not exists requests_at on ledger.requests using brin (at);

-- claim takes the streams at their expected versions and raises them. _streams MUST be
-- sorted. Every outcome but ok leaves the transaction to be rolled back:
--
--   ok        go on with ledger.put in the same transaction
--   stored    this very append (its first fact is _first) was stored before, at pos
--   repeated  the request was carried out before, at pos
--   conflict  a stream is at another version
--   policy    a decision rests on other rules than those that the append at pos put in force,
--             or a revision is to follow on a higher one
--   halted    nothing may be appended
--
-- What holds a decision shares a lock until it is queued, and what activates rules has it alone: so
-- the queue's order is that of the revisions. The last two parameters have defaults for the
-- release before, which does not know them.
drop function if exists ledger.claim(text, uuid, text[], bigint[], bigint[]);
create or replace function ledger.claim(
    _request text, _first uuid, _streams text[], _expected bigint[], _raised bigint[],
    _rests_on bigint default null, _activates bigint default null,
    out outcome text, out pos bigint)
language plpgsql as $$
declare
    stopped  boolean;
    in_force bigint;
    since    bigint;
begin
    if _rests_on is not null or _activates is not null then
        -- Before everything else, as adoption does; and the statement behind it sees what those waited for have done.
        if _activates is null then
            stopped := pg_advisory_xact_lock_shared(7090755321050103811) is null;
        else
            stopped := pg_advisory_xact_lock(7090755321050103811) is null;
        end if;
        select h.halted is not null, a.revision, a.pos into stopped, in_force, since
          from ledger.head h
          left join lateral (select * from ledger.activations order by revision desc limit 1) a on true;
    else
        select h.halted is not null into stopped from ledger.head h;
    end if;
    if stopped then
        outcome := 'halted';
        return;
    end if;
    if _request <> '' then
        -- Before any row is locked, so that nobody waits for whoever waits here, but an activation.
        perform pg_advisory_xact_lock(1651665778, hashtext(_request));
        select r.pos, case when exists (select from ledger.facts f where f.pos = r.pos and f.id = _first)
                           then 'stored' else 'repeated' end
          into pos, outcome
          from ledger.requests r where r.request = _request;
        if found then
            return;
        end if;
    end if;
    if in_force <> _rests_on or in_force >= _activates then
        select f.pos into pos from ledger.facts f where f.id = _first;
        outcome := case when found then 'stored' else 'policy' end;
        pos := coalesce(pos, since);
        return;
    end if;
    for i in 1 .. cardinality(_streams) loop
        if _expected[i] = 0 then
            insert into ledger.streams (stream, version) values (_streams[i], _raised[i])
            on conflict do nothing;
        else
            update ledger.streams s set version = _raised[i]
             where s.stream = _streams[i] and s.version = _expected[i];
        end if;
        if not found then
            select f.pos into pos from ledger.facts f where f.id = _first;
            outcome := case when found then 'stored' else 'conflict' end;
            return;
        end if;
    end loop;
    outcome := 'ok';
end $$;

-- put queues the facts, in their order. The position is drawn here, after the streams and
-- keys are locked: whoever waits for them is queued behind.
drop function if exists ledger.put(text, timestamptz, uuid[], text[], bigint[], bytea[]);
create or replace function ledger.put(
    _request text, _at timestamptz, _ids uuid[], _streams text[], _versions bigint[], _bodies bytea[],
    _rests_on bigint default null, _activates bigint default null,
    out pos bigint)
language plpgsql as $$
begin
    pos := nextval('ledger.position');
    insert into ledger.facts (pos, idx, id, stream, version, body)
    select put.pos, f.n - 1, f.id, f.stream, f.version, f.body
      from unnest(_ids, _streams, _versions, _bodies) with ordinality f (id, stream, version, body, n);
    insert into ledger.queue (pos, facts, bytes, rests_on)
    select put.pos, count(*), sum(octet_length(b)), _rests_on from unnest(_bodies) b;
    if _activates is not null then
        insert into ledger.activations (revision, pos) values (_activates, put.pos);
    end if;
    if _request <> '' then
        insert into ledger.requests (request, pos, at) values (_request, put.pos, _at);
    end if;
end $$;

-- append is claim and put in one round trip, for one stream and without keys: then there
-- is nothing to roll back when claim says no.
drop function if exists ledger.append(text, timestamptz, text, bigint, uuid[], text[], bigint[], bytea[]);
create or replace function ledger.append(
    _request text, _at timestamptz, _stream text, _expected bigint,
    _ids uuid[], _streams text[], _versions bigint[], _bodies bytea[],
    _rests_on bigint default null, _activates bigint default null,
    out outcome text, out pos bigint)
language plpgsql as $$
begin
    select c.outcome, c.pos into outcome, pos
      from ledger.claim(_request, _ids[1], array[_stream], array[_expected], array[_expected + cardinality(_ids)], _rests_on, _activates) c;
    if outcome = 'ok' then
        pos := ledger.put(_request, _at, _ids, _streams, _versions, _bodies, _rests_on, _activates);
    end if;
end $$;
