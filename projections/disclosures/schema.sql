-- One row per request for data from outside, while the key lives that seals what is personal about it.
-- Nothing here is: senders are kinds, and what was asked in words is not here.
create table if not exists disclosure (
  disclosure   uuid        primary key,
  requested_at timestamptz not null,
  sender       text        not null, -- authority, or a recipient of the sharing data
  country      text        not null,
  category     text        not null, -- of data
  fields       text[]      not null,
  basis        text        not null,
  purpose      text        not null default '',
  expires      timestamptz not null, -- of the order or the consent
  approvals    integer     not null default 0,
  outcome      text        not null default 'pending', -- pending, permitted, made, nothing, refused
  reasons      text[]      not null default '{}',      -- of a refusal
  records      bigint      not null default 0,         -- given
  told         text        not null default '',        -- told, unreachable
  tell_from    timestamptz                             -- those whom it concerns have to know from then on: since it was given, or since an order's ban ended
);

-- Made by an earlier release, which kept the end of a ban alone.
alter table disclosure add column if not exists tell_from timestamptz;

create index if not exists disclosure_newest on disclosure (requested_at desc, disclosure);
create index if not exists disclosure_open on disclosure (coalesce(tell_from, expires), disclosure)
  where outcome in ('pending', 'permitted') or outcome = 'made' and told = '';

-- What remains of those whose key is destroyed: counts.
create table if not exists tally (
  half     date   not null, -- the first day of the half-year
  sender   text   not null,
  country  text   not null,
  category text   not null,
  outcome  text   not null,
  n        bigint not null,
  primary key (half, sender, country, category, outcome)
);
