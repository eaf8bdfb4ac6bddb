-- Every balance is published again. Called where the session has a shadow of `balances`, so it names the schema.
CREATE OR REPLACE FUNCTION mark_all_dirty(correlation_id text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format(
    'UPDATE %I.balances SET revision = revision + 1, correlation_id = %L, traceparent = NULL, updated_at = now()',
    current_schema(), correlation_id
  );
END
$$;
