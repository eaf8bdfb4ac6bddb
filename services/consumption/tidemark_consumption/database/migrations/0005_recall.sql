-- what was known at a moment, beside what is: a world of temporary tables that the same queries and views read

-- Everything that follows from the logs, but for restatements, which depend on when things were learned.
CREATE FUNCTION projections() RETURNS text []
LANGUAGE sql IMMUTABLE
RETURN ARRAY[
  'organizations', 'teams', 'memberships', 'rate_cards', 'holidays', 'contracts', 'contract_refs', 'accounts',
  'account_refs', 'account_teams', 'periods', 'adjustments', 'issues', 'worklogs', 'ratings', 'shares', 'days',
  'unaccounted'
];

-- Once a session: from then on it sees its own, empty projections, and the views over them. Unqualified names of a
-- session's temporary tables come first; function bodies and queries resolve theirs when they run.
CREATE FUNCTION open_world() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  seen record;
  views jsonb;
  relation text;
BEGIN
  SELECT jsonb_agg(jsonb_build_object('name', c.relname, 'query', pg_get_viewdef(c.oid)) ORDER BY c.oid) INTO views
  FROM pg_class AS c
  WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'v';
  FOREACH relation IN ARRAY projections() || ARRAY['balances', 'restatements'] LOOP
    EXECUTE format(
      'CREATE TEMPORARY TABLE %I (LIKE %I.%1$I INCLUDING ALL) ON COMMIT DELETE ROWS', relation, current_schema()
    );
  END LOOP;
  FOR seen IN SELECT v.name, v.query FROM jsonb_to_recordset(views) AS v (name text, query text) LOOP
    EXECUTE format('CREATE TEMPORARY VIEW %I AS %s', seen.name, seen.query);
  END LOOP;
  CREATE TEMPORARY TABLE known (batch bigint PRIMARY KEY) ON COMMIT DELETE ROWS;
END
$$;

-- The rows of a projection that are not what the session's world has, and those that should be there.
CREATE FUNCTION differences(relation text) RETURNS TABLE (side text, "row" jsonb)
LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY EXECUTE format(
    'SELECT ''kept'', to_jsonb(k) FROM (TABLE %1$I.%2$I EXCEPT TABLE pg_temp.%2$I) AS k
    UNION ALL
    SELECT ''right'', to_jsonb(r) FROM (TABLE pg_temp.%2$I EXCEPT TABLE %1$I.%2$I) AS r',
    current_schema(), relation
  );
END
$$;

-- The columns by which the rows of a projection are known.
CREATE FUNCTION key_of(relation text) RETURNS text []
LANGUAGE sql STABLE
RETURN (
  SELECT array_agg(a.attname ORDER BY array_position(i.indkey::smallint [], a.attnum))
  FROM pg_index AS i
  JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
  WHERE i.indrelid = format('%I.%I', current_schema(), relation)::regclass AND i.indisunique
);

-- Makes a projection what the session's world has, by the rows that differ alone.
CREATE FUNCTION mend(relation text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  same text := (SELECT string_agg(format('k.%I IS NOT DISTINCT FROM d.%1$I', c), ' AND ') FROM unnest(key_of(relation)) AS c);
BEGIN
  EXECUTE format(
    'DELETE FROM %1$I.%2$I AS k USING (TABLE %1$I.%2$I EXCEPT TABLE pg_temp.%2$I) AS d WHERE %3$s',
    current_schema(), relation, same
  );
  EXECUTE format('INSERT INTO %1$I.%2$I TABLE pg_temp.%2$I EXCEPT TABLE %1$I.%2$I', current_schema(), relation);
END
$$;

-- What is published may be another now, of every contract.
CREATE FUNCTION publish_all(correlation_id text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format(
    'UPDATE %I.balances SET revision = revision + 1, correlation_id = %L, updated_at = now()',
    current_schema(), correlation_id
  );
END
$$;
