-- Whether an account is billable in a statement or, where the statement does not have it, in the contract now. Null for
-- an account that neither has.
CREATE OR REPLACE FUNCTION is_billable(of_contract uuid, of_account uuid, statement_body text) RETURNS boolean
LANGUAGE sql STABLE
AS $$
  SELECT coalesce(
    (
      SELECT (frozen.account ->> 'billable')::boolean
      FROM jsonb_array_elements(statement_body::jsonb -> 'accounts') AS frozen (account)
      WHERE frozen.account ->> 'account_id' = of_account::text
    ),
    (
      SELECT account.billable FROM accounts AS account
      WHERE account.contract_id = of_contract AND account.account_id = of_account
    )
  )
$$;
