-- Makes a projection table equal to its shadow table. Writes only the rows that differ.
-- depends: key_columns
CREATE OR REPLACE FUNCTION repair(relation text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  target text := format('%I.%I', current_schema(), relation);
  same_key text := (
    SELECT string_agg(format('actual.%I IS NOT DISTINCT FROM difference.%1$I', key_column), ' AND ')
    FROM unnest(key_columns(relation)) AS key_column
  );
  columns text := (
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum)
    FROM pg_attribute
    WHERE attrelid = target::regclass AND attnum > 0 AND NOT attisdropped
  );
BEGIN
  EXECUTE format(
    'DELETE FROM %1$s AS actual USING (SELECT %3$s FROM %1$s EXCEPT SELECT %3$s FROM pg_temp.%2$I) AS difference
    WHERE %4$s',
    target, relation, columns, same_key
  );
  EXECUTE format(
    'INSERT INTO %1$s (%3$s) SELECT %3$s FROM pg_temp.%2$I EXCEPT SELECT %3$s FROM %1$s', target, relation, columns
  );
END
$$;
