-- How often something happened in an hour: no ids, no times finer than the hour.
create table if not exists tally (
  hour   timestamptz not null check (hour = date_trunc('hour', hour, 'UTC')),
  kind   text        not null, -- what is counted: 'upload', 'result' …
  class  text        not null, -- a coarse class of it: 'up to 5 MiB', 'up to 12 MP' …
  n      bigint      not null,
  primary key (hour, kind, class)
);
