-- One row per picture that the record knows: by when it must be gone, and whether it is. Nothing
-- here tells what a picture shows or whose it was.
create table if not exists picture (
  image        uuid        primary key,
  uploaded_seq bigint,      -- null: the record has an end of it, and no beginning
  due          timestamptz,
  deleted_at   timestamptz,
  key_ended    boolean     not null
);

-- What must still be there.
create index if not exists picture_kept
  on picture (image)
  where deleted_at is null;

-- Keys of anything else that the record says are destroyed.
create table if not exists ended_key (
  key text primary key
);

-- Visitors' days whose key is not destroyed.
create table if not exists visitor_day (
  visit    uuid        primary key,
  began_at timestamptz not null
);

-- How old the oldest one is.
create index if not exists visitor_day_began on visitor_day (began_at);
