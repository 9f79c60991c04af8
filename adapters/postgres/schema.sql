-- What processes share work by. Run at every start, under a lock: every statement must be harmless when repeated.

create schema if not exists work;

create table if not exists work.leases (
    name   text        primary key,
    holder uuid        not null,
    until  timestamptz not null
);

create table if not exists work.attempts (
    image text        primary key,
    n     integer     not null,
    at    timestamptz not null
);

-- The fingerprint is a MAC under a secret of the service: it says nothing to others.
create table if not exists work.requests (
    request     text        primary key,
    fingerprint bytea       not null,
    until       timestamptz not null,
    begun_at    timestamptz not null,
    finished_at timestamptz
);

-- A picture stands here from before the last byte of its result goes out until the record
-- knows that it went.
create table if not exists work.deliveries (
    image     uuid        primary key,
    marked_at timestamptz not null default clock_timestamp()
);

-- One-time links and sessions of members of staff, by a MAC of their token: nothing here
-- opens anything. They end by the service's time.
create table if not exists work.links (
    mac    bytea       primary key,
    member uuid        not null,
    until  timestamptz not null
);

create table if not exists work.sessions (
    mac    bytea       primary key,
    member uuid        not null,
    until  timestamptz not null
);

-- What was purged by its time, written in the transaction that purged it, until the record has it.
create table if not exists work.purged (
    note   text        primary key,
    kind   text        not null,
    up_to  timestamptz not null,
    held   boolean     not null,
    due    timestamptz not null,
    actual timestamptz not null,
    count  bigint      not null
);

-- What is kept of requests, a partition a day (apilog.go): no address, no name, no id, no token, and
-- nothing of a photo. Sizes and times are classes. It ends after 90 days (promise apilog.keep-90d).
create table if not exists work.api_log (
    at                timestamptz(0) not null,
    method            text           not null,
    route             text           not null, -- a pattern of the list of routes
    status_class      smallint       not null check (status_class between 1 and 5),
    duration_class_ms integer        not null, -- at most; 0: longer than the last class
    bytes_class       bigint         not null  -- of the answer, at most; 0: more than the last class
) partition by range (at);
