-- How often something happened in an hour of the last month, and how bad the worst of it was.
create table if not exists tally (
  hour   timestamptz not null check (hour = date_trunc('hour', hour, 'UTC')),
  what   text        not null, -- 'deleted', 'decision' …
  class  text        not null, -- a kind of it: 'in time', 'access.blob allow cutout holder' …
  n      bigint      not null,
  worst  bigint,               -- milliseconds; null where nothing is measured
  primary key (hour, what, class)
);

-- The same, ever.
create table if not exists total (
  what   text    not null,
  class  text    not null,
  n      bigint  not null,
  worst  bigint,
  primary key (what, class)
);

-- Pictures that are not gone yet: a row goes once its picture is deleted and its key destroyed.
create table if not exists picture (
  image          uuid         primary key,
  due            timestamptz  not null,
  downloaded_at  timestamptz, -- whole, for the first time
  deleted_at     timestamptz,
  key_gone       boolean      not null default false
);
create index if not exists picture_due on picture (due) where deleted_at is null;
create index if not exists picture_downloaded on picture (downloaded_at) where deleted_at is null and downloaded_at is not null;
create index if not exists picture_sealed on picture (deleted_at) where deleted_at is not null;

-- Days of visitors whose key lives: a row goes with the key.
create table if not exists visit (
  visit  text  primary key,
  day    date  not null
);
create index if not exists visit_day on visit (day);

-- Disclosures that were permitted, and not made yet.
create table if not exists permit (
  disclosure  text  primary key
);

-- The newest of what there is one of: the result of a check, the last audit, a statement …
create table if not exists newest (
  kind  text        not null,
  name  text        not null,
  at    timestamptz not null,
  seq   bigint      not null,
  body  jsonb       not null,
  primary key (kind, name)
);
