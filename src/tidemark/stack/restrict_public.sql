-- What every role may do in a new database of Postgres, and no role of Tidemark but the owner needs: run this once in
-- each database, as a superuser. A role that only reads could otherwise fill the disk with large objects, and the lock
-- table, which all sessions share, with advisory locks.
DO $$
DECLARE
  function regprocedure;
BEGIN
  FOR function IN
    SELECT p.oid::regprocedure FROM pg_proc AS p
    WHERE p.pronamespace = 'pg_catalog'::regnamespace
      AND (
        p.proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_open', 'lo_put', 'lo_truncate', 'lo_truncate64', 'lowrite')
        OR p.proname LIKE '%advisory%lock%'
      )
  LOOP
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', function);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO tidemark', function);
  END LOOP;
END
$$;
