-- constraints take the names of their tables, where shared_0004 renamed a table

DO $$
DECLARE
  renamed record;
BEGIN
  FOR renamed IN
    SELECT
      c.conrelid::regclass AS relation, c.conname AS old_name,
      n.prefix || substr(c.conname, length(n.old_prefix) + 1) AS new_name
    FROM pg_constraint AS c
    JOIN (
      VALUES
        ('reporting.consumer_offsets', 'progress_', 'consumer_offsets_'),
        ('consumer_offsets', 'progress_', 'consumer_offsets_'),
        ('idempotency_keys', 'answers_', 'idempotency_keys_')
    ) AS n (relation, old_prefix, prefix) ON c.conrelid = to_regclass(n.relation) AND starts_with(c.conname, n.old_prefix)
    -- A partition inherits these, and their names, from its table.
    WHERE c.contype NOT IN ('c', 'n') OR c.coninhcount = 0
  LOOP
    EXECUTE format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', renamed.relation, renamed.old_name, renamed.new_name);
  END LOOP;
END
$$;
ALTER INDEX IF EXISTS answers_by_age RENAME TO idempotency_keys_by_age;
