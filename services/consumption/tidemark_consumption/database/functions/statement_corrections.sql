-- What has corrected the statements of a contract after a restatement (0: ever), by account: from the first restatement
-- that its statement does not have to the last.
-- depends: as_minor, account_name
CREATE OR REPLACE FUNCTION statement_corrections(of_contract uuid, after_restatement bigint)
RETURNS TABLE (
  period_start date, account_id uuid, account_name text, before_seconds bigint, after_seconds bigint,
  before_amount_minor bigint, after_amount_minor bigint, restatements bigint, restated_at timestamptz
)
LANGUAGE sql STABLE
AS $$
  SELECT
    restatement.period_start, restatement.account_id, account_name(of_contract, restatement.account_id),
    (array_agg(restatement.before_seconds ORDER BY restatement.restatement))[1],
    (array_agg(restatement.after_seconds ORDER BY restatement.restatement DESC))[1],
    as_minor((array_agg(restatement.before_amount ORDER BY restatement.restatement))[1], 3600),
    as_minor((array_agg(restatement.after_amount ORDER BY restatement.restatement DESC))[1], 3600),
    count(*), max(restatement.restated_at)
  FROM restatements AS restatement
  JOIN statements AS statement USING (contract_id, period_start)
  WHERE restatement.contract_id = of_contract
    AND restatement.restatement > greatest(after_restatement, statement.last_restatement)
  GROUP BY restatement.period_start, restatement.account_id
$$;
