-- The shadow tables of a session, for an earlier moment and for a rebuild: see `replay.py`. A session finds its
-- temporary tables first; queries and the bodies of functions look up their tables when they run.
-- depends: projection_tables
CREATE OR REPLACE FUNCTION create_shadow_tables() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  relation text;
  views jsonb;
  view record;
BEGIN
  -- In the order in which they were created: a view comes after those that it reads.
  SELECT jsonb_agg(
    jsonb_build_object('name', class.relname, 'query', pg_get_viewdef(class.oid)) ORDER BY class.oid
  ) INTO views
  FROM pg_class AS class
  WHERE class.relnamespace = current_schema()::regnamespace AND class.relkind = 'v';
  FOREACH relation IN ARRAY projection_tables() || ARRAY[
    'balances', 'restatements', 'statements', 'former_versions', 'outbox'
  ] LOOP
    EXECUTE format(
      'CREATE TEMPORARY TABLE %I (LIKE %I.%1$I INCLUDING ALL) ON COMMIT DELETE ROWS', relation, current_schema()
    );
  END LOOP;
  -- The answer for an earlier moment is always the same, including its revision.
  ALTER TABLE pg_temp.balances ALTER COLUMN revision SET DEFAULT 0;
  FOR view IN
    SELECT definition.name, definition.query FROM jsonb_to_recordset(views) AS definition (name text, query text)
  LOOP
    EXECUTE format('CREATE TEMPORARY VIEW %I AS %s', view.name, view.query);
  END LOOP;
  CREATE TEMPORARY TABLE batches_in_scope (batch bigint PRIMARY KEY, learned_at timestamptz NOT NULL)
    ON COMMIT DELETE ROWS;
END
$$;
