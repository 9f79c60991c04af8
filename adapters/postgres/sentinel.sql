-- Makes the sentinel's role, as whoever logs in for the vault. It may look, and change nothing.
do $$
begin
    if not exists (select from pg_roles where rolname = 'bgremover_sentinel') then
        create role bgremover_sentinel nologin;
    end if;
    if not pg_has_role(session_user, 'bgremover_sentinel', 'set') then
        execute format('grant bgremover_sentinel to %I with inherit false, set true', session_user);
    end if;
end $$
