-- One row per thing that waits for its end. It goes with the fact that ends it, so that there are as
-- many rows as there are things, whatever the record holds.
create table if not exists waiting (
  subject  text        primary key, -- its stream, which is also the name of its key
  kind     text        not null,    -- of the retention data
  started  timestamptz not null,
  due      timestamptz,             -- as the record says; null: as the rule says of what began then
  revision bigint      not null     -- of the rules that due rests on; 0: none was asked
);

create index if not exists waiting_due     on waiting (kind, due);
create index if not exists waiting_started on waiting (kind, started) where due is null;

-- What was deleted last of a kind, and how much in all.
create table if not exists purged (
  kind   text        primary key,
  due    timestamptz not null,
  actual timestamptz not null,
  up_to  timestamptz,               -- what began by then is gone, as the rule was asked
  count  bigint      not null,
  total  bigint      not null
);

-- The kinds whose deletions are late.
create table if not exists late (
  kind    text        primary key,
  due     timestamptz not null, -- of the oldest, when it was noticed
  waiting bigint      not null,
  since   timestamptz not null
);

-- The legal holds that are proposed or in force.
create table if not exists hold (
  hold   uuid        primary key,
  kind   text        not null,
  fields text[]      not null,
  state  text        not null, -- 'proposed', 'placed', 'release proposed'
  since  timestamptz not null  -- of the state
);

-- The latest time in the record, and the jump of the clock that nobody has confirmed yet.
create table if not exists clock (
  only_row  boolean     primary key default true check (only_row),
  latest    timestamptz not null,
  jump_from timestamptz,
  jump_to   timestamptz
);

-- The longest periods, by the revision of the rules that had them, and when each came into force.
create table if not exists period (
  revision bigint  not null,
  kind     text    not null,
  years    integer not null,
  days     integer not null,
  seconds  bigint  not null,
  primary key (revision, kind)
);

create table if not exists reign (
  revision bigint      primary key,
  since    timestamptz not null
);
