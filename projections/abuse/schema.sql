-- How often rules said no to strangers, hour by hour: no ids, and no input but whose uploads were counted together.
create table if not exists refused (
  hour   timestamptz not null check (hour = date_trunc('hour', hour, 'UTC')),
  rule   text        not null, -- 'upload.rate'
  scope  text        not null, -- 'visitor', 'network'; '' where the rule knows none
  n      bigint      not null,
  primary key (hour, rule, scope)
);

-- How many visitor-days began, and how many of them a rule held up: no ids.
create table if not exists visits (
  day     date   primary key,
  began   bigint not null,
  blocked bigint not null -- visitor-days and rules
);
