-- The rows of a projection table that its shadow table does not have (actual), and the reverse (expected).
CREATE OR REPLACE FUNCTION differences(relation text) RETURNS TABLE (side text, "row" jsonb) -- noqa: RF06
LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY EXECUTE format(
    'SELECT ''actual'', to_jsonb(actual) FROM (TABLE %1$I.%2$I EXCEPT TABLE pg_temp.%2$I) AS actual
    UNION ALL
    SELECT ''expected'', to_jsonb(expected) FROM (TABLE pg_temp.%2$I EXCEPT TABLE %1$I.%2$I) AS expected',
    current_schema(), relation
  );
END
$$;
