-- The role of operations teams, which reads `reporting` and nothing else. Every migration runs this, because a dump that
-- is restored into another cluster brings neither the role nor its grants.
DO $$
BEGIN
  IF to_regrole('tidemark_ops') IS NULL THEN
    CREATE ROLE tidemark_ops NOLOGIN;
  END IF;
  -- Whoever creates a role may grant it, also to itself; then it can try the role out with SET ROLE.
  IF NOT (SELECT r.rolsuper FROM pg_roles AS r WHERE r.rolname = current_user) THEN
    GRANT tidemark_ops TO CURRENT_USER;
  END IF;
  -- These apply if you let the role itself log in. A user that is granted the role needs limits of its own.
  IF (SELECT r.rolconnlimit FROM pg_roles AS r WHERE r.rolname = 'tidemark_ops') = -1 THEN
    ALTER ROLE tidemark_ops CONNECTION LIMIT 10;
    ALTER ROLE tidemark_ops SET statement_timeout = '60s';
    ALTER ROLE tidemark_ops SET idle_in_transaction_session_timeout = '60s';
  END IF;
EXCEPTION
  -- The role belongs to another user of the cluster, or another database of the cluster is migrated at this moment.
  WHEN duplicate_object OR unique_violation OR insufficient_privilege OR internal_error THEN NULL;
END
$$;

-- Without this, every role could fill the disk with temporary tables.
DO $$
BEGIN
  IF has_database_privilege('public', current_database(), 'TEMPORARY') THEN
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO %I', current_database(), current_user);
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
  END IF;
EXCEPTION
  WHEN insufficient_privilege THEN NULL;
END
$$;

DO $$
DECLARE
  relation regclass;
BEGIN
  IF to_regrole('tidemark_ops') IS NULL THEN
    RETURN;
  END IF;
  IF NOT has_schema_privilege('tidemark_ops', 'reporting', 'USAGE') THEN
    GRANT USAGE ON SCHEMA reporting TO tidemark_ops;
  END IF;
  ALTER DEFAULT PRIVILEGES IN SCHEMA reporting GRANT SELECT ON TABLES TO tidemark_ops;
  FOR relation IN
    SELECT c.oid::regclass FROM pg_class AS c
    WHERE c.relnamespace = 'reporting'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND c.relname <> 'migration_lock'
      AND pg_has_role(c.relowner, 'USAGE') AND NOT has_table_privilege('tidemark_ops', c.oid, 'SELECT')
  LOOP
    EXECUTE format('GRANT SELECT ON %s TO tidemark_ops', relation);
  END LOOP;
  IF has_table_privilege('tidemark_ops', 'reporting.migration_lock', 'SELECT') THEN
    REVOKE ALL ON reporting.migration_lock FROM tidemark_ops;
  END IF;
EXCEPTION
  WHEN insufficient_privilege THEN NULL;
END
$$;
