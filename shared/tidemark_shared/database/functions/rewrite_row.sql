-- Replaces columns of the row that rows_with_texts has returned, in the same transaction.
-- depends:
CREATE OR REPLACE FUNCTION rewrite_row(relation text, row_id text, content jsonb) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  columns text := (SELECT string_agg(format('%I', name), ', ') FROM jsonb_object_keys(content) AS name);
BEGIN
  EXECUTE format(
    'UPDATE %1$I.%2$I AS item SET (%3$s) = (SELECT %3$s FROM jsonb_populate_record(NULL::%1$I.%2$I, $1))
    WHERE item.ctid = $2::tid',
    current_schema(), relation, columns
  ) USING content, row_id;
END
$$;
COMMENT ON FUNCTION rewrite_row IS 'Replaces columns of a row.';
