-- Gives the session an empty temporary table with the name of each relation, and its own copy of the views over them.
-- A session finds its temporary tables first; queries and the bodies of functions look up their tables when they run.
CREATE OR REPLACE FUNCTION shadow_tables(relations text[]) RETURNS void
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
  FOREACH relation IN ARRAY relations LOOP
    EXECUTE format(
      'CREATE TEMPORARY TABLE %I (LIKE %I.%1$I INCLUDING ALL) ON COMMIT DELETE ROWS', relation, current_schema()
    );
  END LOOP;
  FOR view IN
    SELECT definition.name, definition.query FROM jsonb_to_recordset(views) AS definition (name text, query text)
  LOOP
    EXECUTE format('CREATE TEMPORARY VIEW %I AS %s', view.name, view.query);
  END LOOP;
END
$$;
