-- How many rows a projection table has, whatever shadow table the session has.
CREATE OR REPLACE FUNCTION count_rows(relation text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  row_count bigint;
BEGIN
  EXECUTE format('SELECT count(*) FROM %I.%I', current_schema(), relation) INTO row_count;
  RETURN row_count;
END
$$;
