-- Which migrations this schema has. Every migration runs this first.
DO $$
BEGIN
  IF to_regclass('migrations') IS NOT NULL THEN
    RETURN;
  END IF;
  CREATE TABLE migrations (
    name text PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
  );
  COMMENT ON TABLE migrations IS 'The numbered files that made the tables of this schema.';
  -- Releases before v0.2 kept the names in a table of another package.
  IF to_regclass('public._pogo_migration') IS NOT NULL THEN
    INSERT INTO migrations (name, applied_at)
    SELECT migration_id, applied FROM public._pogo_migration WHERE schema_name = current_schema();
  END IF;
END
$$;
