-- The vault, run as the role that it belongs to. Run at every start, under a lock: every
-- statement must be harmless when repeated.

-- Which key-encryption key wraps something: Tink writes its id, big-endian, behind the first
-- byte. A generated column would say the same and cost every upload more than all else here.
create or replace function vault.wrapper(wrapped bytea) returns bigint
language sql immutable parallel safe
return (get_byte(wrapped, 1)::bigint << 24) | (get_byte(wrapped, 2) << 16) | (get_byte(wrapped, 3) << 8) | get_byte(wrapped, 4);

-- One row per key, for ever. A destroyed key's row is its tombstone.
create table if not exists vault.keys (
    id            text        primary key,
    kind          text        not null,
    wrapped       bytea,      -- by a key-encryption key; null once destroyed
    made_at       timestamptz not null default clock_timestamp(),
    destroyed_at  timestamptz,
    destroyed_why text,
    constraint tombstone check ((wrapped is null) = (destroyed_at is not null)
                            and (wrapped is null) = (destroyed_why is not null))
);

-- When it is destroyed by itself, by the service's time; null: a fact ends it.
alter table vault.keys add column if not exists due_at timestamptz;

-- An update leaves the old row, with its wrapped key, in the table's pages until it is
-- cleaned up. So leave room to prune within the page, and clean up early.
alter table vault.keys set (
    fillfactor                     = 80,
    autovacuum_vacuum_threshold    = 100,
    autovacuum_vacuum_scale_factor = 0
);

-- Live keys are few beside the tombstones, and are gone through: to compare, and to rewrap.
create index if not exists keys_live on vault.keys (id)     where wrapped is not null;
create index if not exists keys_due  on vault.keys (due_at) where wrapped is not null and due_at is not null;

-- Which keys are alive, and no key: what an auditor may see.
create or replace view vault.live_keys as
    select id, kind, made_at, due_at
      from vault.keys
     where wrapped is not null;

create table if not exists vault.secrets (
    name    text        primary key,
    wrapped bytea       not null,
    made_at timestamptz not null default clock_timestamp()
);

-- The key-encryption keys that there are and were, by Tink's ids; the keys themselves are in
-- the keyset. Times are the service's, but closed_at.
create table if not exists vault.wrappers (
    id           bigint      primary key,
    made_at      timestamptz not null,
    retired_at   timestamptz, -- another took its place
    closed_at    timestamptz, -- no key is wrapped by it any more: this comes a while before it is destroyed
    destroyed_at timestamptz
);

-- The services that use the vault, each with a keyset of its own.
create table if not exists vault.holders (
    holder  text        primary key,
    seen_at timestamptz not null
);

-- Up to which fact the vault was compared with the record. It stands here so that it goes
-- back with the keys when an old state is restored.
create table if not exists vault.compared (
    one boolean primary key default true check (one),
    seq bigint  not null default 0
);
insert into vault.compared default values on conflict do nothing;

-- The steps of an append, in its transaction. They run as the vault's role and say nothing
-- of a key but whether it is there. The search path is fixed: a caller's own must not decide
-- which functions they call.

-- made: it exists once the transaction commits. there: its subject has begun before.
-- closed: the key-encryption key is about to be destroyed.
create or replace function vault.make(_id text, _kind text, _wrapped bytea, _due timestamptz) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    insert into vault.keys (id, kind, wrapped, due_at)
    select _id, _kind, _wrapped, _due
     where exists (select from vault.wrappers w where w.id = vault.wrapper(_wrapped) and w.closed_at is null)
    on conflict (id) do nothing;
    if found then
        return 'made';
    end if;
    if exists (select from vault.keys k where k.id = _id) then
        return 'there';
    end if;
    return 'closed';
end $$;

-- Holds keys alive until the transaction ends, or names one that is unknown, else one that is
-- destroyed. Everybody locks in the same order, so that nobody waits in a circle. _ids MUST be
-- without repetitions.
create or replace function vault.lock(_ids text[], out unknown text, out destroyed text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    live bigint;
begin
    select count(k.wrapped) into live
      from (select wrapped from vault.keys where id = any (_ids) order by id for share) k;
    if live = cardinality(_ids) then
        return;
    end if;
    select min(i) into unknown
      from unnest(_ids) i
     where not exists (select from vault.keys k where k.id = i);
    select min(k.id) into destroyed
      from vault.keys k
     where k.id = any (_ids) and k.wrapped is null;
end $$;

-- Makes a key its tombstone; one that is destroyed already stays as it is. Answers whether the key is known.
create or replace function vault.destroy(_id text, _why text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    update vault.keys k
       set wrapped = null, destroyed_at = clock_timestamp(), destroyed_why = _why
     where k.id = _id and k.wrapped is not null;
    if found then
        return true;
    end if;
    return exists (select from vault.keys k where k.id = _id);
end $$;

revoke all on all functions in schema vault from public;
