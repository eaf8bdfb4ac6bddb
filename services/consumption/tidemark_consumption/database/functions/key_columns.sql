-- The columns that identify a row of a projection table.
CREATE OR REPLACE FUNCTION key_columns(relation text) RETURNS text[]
LANGUAGE sql STABLE
RETURN (
  SELECT array_agg(key_column.attname ORDER BY array_position(key_index.indkey::smallint[], key_column.attnum))
  FROM pg_index AS key_index
  JOIN pg_attribute AS key_column
    ON key_column.attrelid = key_index.indrelid AND key_column.attnum = ANY(key_index.indkey)
  WHERE key_index.indrelid = format('%I.%I', current_schema(), relation)::regclass AND key_index.indisunique
);
