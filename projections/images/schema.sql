-- One row per picture that was ever uploaded. Nothing here tells what a picture shows or whose it was.
create table if not exists picture (
  image              uuid        primary key,
  version            bigint      not null, -- of its stream
  size_class         text        not null,
  uploaded_at        timestamptz not null,
  uploaded_seq       bigint      not null,
  due                timestamptz not null,
  capability         text,                 -- SHA-256, in hexadecimal; null once purged
  failure            text,                 -- code of the refusal
  total_ms           bigint,               -- of the cutout; null while there is none
  deleted_why        text,
  deleted_at         timestamptz,
  deleted_seq        bigint,
  key_destroyed_seq  bigint,
  status             text        not null generated always as (
    case
      when deleted_at is not null then 'deleted'
      when total_ms   is not null then 'ready'
      when failure    is not null then 'failed'
      else 'waiting'
    end) stored
);

-- What the janitor asks for.
create index if not exists picture_due
  on picture (due)
  where deleted_at is null;

-- How many wait for their cutout.
create index if not exists picture_waiting
  on picture (uploaded_seq)
  where total_ms is null and failure is null and deleted_at is null;

-- What the purge of capabilities asks for.
create index if not exists picture_capability_kept
  on picture (deleted_at)
  where capability is not null;
