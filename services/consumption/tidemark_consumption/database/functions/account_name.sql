-- The name of an account, or the last name of one that an amendment has removed.
CREATE OR REPLACE FUNCTION account_name(of_contract uuid, of_account uuid) RETURNS text
LANGUAGE sql STABLE
AS $$
  SELECT coalesce(
    (
      SELECT account.name FROM accounts AS account
      WHERE account.contract_id = of_contract AND account.account_id = of_account
    ),
    (
      SELECT former.ref
      FROM account_refs AS former
      WHERE former.contract_id = of_contract AND former.account_id = of_account AND former.ref <> of_account::text
      ORDER BY former.stream_version DESC, former.ref
      LIMIT 1
    )
  )
$$;
