-- One row per fact of the record: where it stands, and what it follows from. Not what it says.
create table if not exists fact (
  seq     bigint      primary key,
  id      uuid        not null,
  type    text        not null,
  stream  text        not null,
  version bigint      not null, -- of the stream
  at      timestamptz not null,
  cause   uuid,                 -- the fact before it
  request text                  -- or the request
);

create unique index if not exists fact_id on fact (id);

-- What officers filter by. Times rise with seq, nearly: a summary of each range of rows will do.
create index if not exists fact_type on fact (type, seq);
create index if not exists fact_stream on fact (stream, seq);
create index if not exists fact_at on fact using brin (at) with (pages_per_range = 16);

-- What followed from a fact.
create index if not exists fact_cause on fact (cause, seq) where cause is not null;
