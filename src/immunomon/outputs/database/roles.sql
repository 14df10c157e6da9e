-- Who may do what in a trial database on PostgreSQL. Run it once, in the database, as its owner or a superuser:
--
--     psql "postgresql://owner@dbhost/trial" -f roles.sql
--
-- It may be run again. Then give each person a login of their own:
--
--     CREATE ROLE ana LOGIN IN ROLE immunomon_reader;
--     CREATE ROLE monitor LOGIN IN ROLE immunomon_writer;
--     ALTER ROLE monitor SET role TO immunomon_writer;   -- what monitor makes belongs to the lab, not to monitor
--
-- and set their passwords with \password ana, which keeps them out of the server's log.
--
-- immunomon_reader  scientists: read every table and view, change nothing
-- immunomon_writer  the lab: makes, migrates and fills the tables (immunomon export)
--
-- Neither can change or delete what is only ever added (audit, deliveries, earlier versions, runs): triggers refuse it.
-- The role that owns the tables could take the triggers away; a site that must exclude that keeps the database's log.

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'immunomon_reader') THEN
    CREATE ROLE immunomon_reader NOLOGIN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'immunomon_writer') THEN
    CREATE ROLE immunomon_writer NOLOGIN;
  END IF;
  EXECUTE format('REVOKE CREATE ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO immunomon_reader, immunomon_writer', current_database());
  EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO immunomon_writer', current_database());
  EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', current_schema());
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO immunomon_reader, immunomon_writer', current_schema());
  EXECUTE format('GRANT CREATE ON SCHEMA %I TO immunomon_writer', current_schema());
  -- What is there already: readers read it, the lab owns it.
  EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO immunomon_reader', current_schema());
  -- What the lab makes from now on.
  EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE immunomon_writer IN SCHEMA %I '
                 'GRANT SELECT ON TABLES TO immunomon_reader', current_schema());
END $$;

-- Tables and views that an export made before there were roles pass to the lab.
DO $$
DECLARE
  one record;
BEGIN
  FOR one IN
    SELECT c.relname, c.relkind FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'v')
      AND EXISTS (SELECT FROM pg_class m WHERE m.relnamespace = c.relnamespace AND m.relname = 'immunomon_schema')
  LOOP
    EXECUTE format('ALTER %s %I.%I OWNER TO immunomon_writer',
                   CASE one.relkind WHEN 'r' THEN 'TABLE' ELSE 'VIEW' END, current_schema(), one.relname);
  END LOOP;
END $$;
