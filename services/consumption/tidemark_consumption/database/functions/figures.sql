-- Planned against executed as JSON: F of SPEC 4. Amounts are exact units; percent and remaining refer to `basis`.
-- In PL/pgSQL the expressions are compiled once a session. In SQL the function is too long to be inlined, and would be
-- most of the cost of a balance.
-- depends: half_even, percent
CREATE OR REPLACE FUNCTION figures(
  planned numeric, basis numeric, consumed numeric, worklog_count numeric, unrated_seconds numeric,
  scale_divisor integer
) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
  RETURN jsonb_build_object(
    'planned', half_even(planned, scale_divisor),
    'consumed', half_even(consumed, scale_divisor),
    'remaining', half_even(basis - consumed, scale_divisor),
    'percent', percent(consumed, basis)::text,
    'worklogs', worklog_count,
    'unrated_seconds', CASE WHEN scale_divisor <> 1 THEN unrated_seconds END
  );
END
$$;
