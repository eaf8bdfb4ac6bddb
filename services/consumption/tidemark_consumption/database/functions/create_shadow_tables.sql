-- The shadow tables of a session, for an earlier moment and for a rebuild: see `replay.py`.
-- depends: projection_tables, shadow_tables
CREATE OR REPLACE FUNCTION create_shadow_tables() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM shadow_tables(
    projection_tables() || ARRAY['balances', 'restatements', 'statements', 'former_versions', 'outbox']
  );
  -- The answer for an earlier moment is always the same, including its revision.
  ALTER TABLE pg_temp.balances ALTER COLUMN revision SET DEFAULT 0;
  CREATE TEMPORARY TABLE batches_in_scope (batch bigint PRIMARY KEY, learned_at timestamptz NOT NULL)
    ON COMMIT DELETE ROWS;
END
$$;
