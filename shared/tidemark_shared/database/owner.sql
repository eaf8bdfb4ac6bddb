-- The role of a service, `tidemark_SERVICE`: it owns the schema of the service and its views in `reporting`, and can read
-- nothing of another service. Every migration runs this, and whoever migrates becomes a member. Let the role log in, and
-- the process of the service needs no other rights. Where the user may not create roles, it owns everything itself.
DO $$
DECLARE
  owner text := 'tidemark_' || current_schema();
BEGIN
  IF to_regrole(owner) IS NULL THEN
    EXECUTE format('CREATE ROLE %I NOLOGIN', owner);
  END IF;
  IF NOT pg_has_role(owner, 'USAGE') OR NOT pg_has_role(owner, 'SET') THEN
    EXECUTE format('GRANT %I TO CURRENT_USER WITH INHERIT TRUE, SET TRUE', owner);
  END IF;
EXCEPTION
  -- The role belongs to another user of the cluster, or another database of the cluster is migrated at this moment.
  WHEN duplicate_object OR unique_violation OR insufficient_privilege OR internal_error THEN NULL;
END
$$;

DO $$
DECLARE
  owner text := 'tidemark_' || current_schema();
  object record;
BEGIN
  IF to_regrole(owner) IS NULL OR NOT pg_has_role(owner, 'USAGE') THEN
    RETURN;
  END IF;
  PERFORM set_config('lock_timeout', '2s', true);
  IF NOT has_database_privilege(owner, current_database(), 'TEMPORARY') THEN
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO %I', current_database(), owner);
  END IF;
  IF NOT has_schema_privilege(owner, 'reporting', 'USAGE') THEN
    EXECUTE format('GRANT USAGE ON SCHEMA reporting TO %I', owner);
  END IF;
  FOR object IN
    WITH RECURSIVE relations AS (
      SELECT c.oid FROM pg_class AS c WHERE c.relnamespace = current_schema()::regnamespace
      UNION
      SELECT r.ev_class
      FROM relations
      JOIN pg_depend AS d ON d.refobjid = relations.oid AND d.refclassid = 'pg_class'::regclass
      JOIN pg_rewrite AS r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
    )
    SELECT format('SCHEMA %I', n.nspname) AS name, n.nspowner AS owner_id
    FROM pg_namespace AS n
    WHERE n.nspname = current_schema()
    UNION ALL
    SELECT format('%s %s', CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, c.oid::regclass), c.relowner
    FROM pg_class AS c
    JOIN relations ON relations.oid = c.oid
    -- A partition in this schema is its own; the table that it is a part of belongs to all services. Sequences and
    -- indexes follow their tables.
    WHERE c.relkind IN ('r', 'p', 'v')
    UNION ALL
    SELECT format('ROUTINE %s', p.oid::regprocedure), p.proowner
    FROM pg_proc AS p
    WHERE p.pronamespace = current_schema()::regnamespace
  LOOP
    CONTINUE WHEN object.owner_id = to_regrole(owner);
    -- The new owner of a view needs this right, and only at this moment.
    EXECUTE format('GRANT CREATE ON SCHEMA reporting TO %I', owner);
    BEGIN
      EXECUTE format('ALTER %s OWNER TO %I', object.name, owner);
    EXCEPTION
      -- A service that runs uses it: the owner gets all rights for now, and the object with the next migration.
      WHEN lock_not_available THEN
        EXECUTE format('GRANT ALL ON %s TO %I', regexp_replace(object.name, '^VIEW', 'TABLE'), owner);
    END;
    EXECUTE format('REVOKE CREATE ON SCHEMA reporting FROM %I', owner);
  END LOOP;
EXCEPTION
  WHEN insufficient_privilege THEN NULL;
END
$$;
