-- Makes the vault's role and its schema, as whoever logs in for the vault. Everything is
-- looked at before it is changed: nearly always, there is nothing to do.
do $$
declare
    made record;
begin
    if not exists (select from pg_roles where rolname = 'bgremover_vault') then
        create role bgremover_vault nologin;
    end if;
    -- To set the role, and not to inherit its rights: they are taken by the vault's connections alone.
    if not pg_has_role(session_user, 'bgremover_vault', 'set') then
        execute format('grant bgremover_vault to %I with inherit false, set true', session_user);
    end if;
    if not exists (select from pg_namespace where nspname = 'vault') then
        create schema vault authorization bgremover_vault;
    end if;
    -- Earlier releases had no role.
    for made in
        select from pg_namespace
         where nspname = 'vault' and nspowner <> (select oid from pg_roles where rolname = 'bgremover_vault')
    loop
        alter schema vault owner to bgremover_vault;
    end loop;
    for made in
        select c.relname
          from pg_class c
         where c.relnamespace = 'vault'::regnamespace and c.relkind = 'r'
           and c.relowner <> (select oid from pg_roles where rolname = 'bgremover_vault')
    loop
        execute format('alter table vault.%I owner to bgremover_vault', made.relname);
    end loop;
end $$
