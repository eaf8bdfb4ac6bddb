-- What a customer may see of its contracts.

-- name: customer_contracts(organization, ref, complete, after_key, after_id, moment, max_rows)
-- The contracts of an organization, or the one that `ref` names; drafts and discarded contracts are none. Active ones
-- first, then by last day and code. `complete`: the balance has all periods, else the current and the previous one.
WITH page AS MATERIALIZED (
  SELECT contract.contract_id, key.sort_key
  FROM contracts AS contract
  CROSS JOIN LATERAL (
    SELECT ((contract.status <> 'ACTIVE')::int || contract.end_date::text || contract.code) COLLATE "C" AS sort_key
  ) AS key
  WHERE contract.organization_id = :organization AND contract.status <> 'DRAFT'
    AND (
      :ref::text IS NULL
      OR contract.contract_id IN (
        SELECT contract_ref.contract_id FROM contract_refs AS contract_ref WHERE contract_ref.ref = :ref::text
      )
    )
    AND (:after_key::text IS NULL OR (key.sort_key, contract.contract_id) > (:after_key::text, :after_id::uuid))
  ORDER BY key.sort_key, contract.contract_id
  LIMIT :max_rows
)
SELECT
  contract.contract_id, page.sort_key, contract.name AS contract_name, contract.type, contract.recurrence,
  contract.start_date, contract.end_date, contract.timezone, publication.updated_at,
  (published.body #>> '{forecast,exhausts_on}')::date AS exhausts_on,
  balance(contract.contract_id, :moment, :complete)::text AS body
FROM page
JOIN contracts AS contract USING (contract_id)
JOIN balances AS publication USING (contract_id)
LEFT JOIN published_balances AS published USING (contract_id)
ORDER BY page.sort_key, page.contract_id;

-- name: customer_contract_id(organization, ref)$
SELECT contract.contract_id
FROM contract_refs AS contract_ref
JOIN contracts AS contract USING (contract_id)
WHERE contract_ref.ref = :ref AND contract.organization_id = :organization AND contract.status <> 'DRAFT';

-- name: customer_statements(contract, organization, period_start, after, max_rows)
-- The statements that were made for an organization, in the order frozen: that of a period, or those after a number.
-- `billable_corrections`: the positions of the corrections whose account the corrected statement bills.
SELECT
  statement.number, statement.body, statement.sha256,
  (
    SELECT coalesce(jsonb_agg(correction.position - 1), '[]')
    FROM jsonb_array_elements(statement.body::jsonb -> 'restatements') WITH ORDINALITY AS correction (body, position)
    JOIN statements AS corrected
      ON corrected.contract_id = statement.contract_id
      AND corrected.period_start = (correction.body ->> 'period_start')::date
    WHERE is_billable(statement.contract_id, (correction.body ->> 'account_id')::uuid, corrected.body)
  )::text AS billable_corrections
FROM statements AS statement
WHERE statement.contract_id = :contract
  AND (statement.body::jsonb ->> 'organization_id')::uuid = :organization
  AND (:period_start::date IS NULL OR statement.period_start = :period_start::date)
  AND statement.number > :after
ORDER BY statement.number
LIMIT :max_rows;

-- name: customer_statement_restatements(contract, period_start)
-- What has corrected the statement of a period: each billable account that comes to something else now, from the first
-- restatement to the last.
SELECT
  correction.period_start, correction.account_id, correction.account_name, correction.before_seconds,
  correction.after_seconds, correction.before_amount_minor, correction.after_amount_minor, correction.restated_at
FROM statements AS statement
JOIN statement_corrections(:contract, 0) AS correction USING (period_start)
WHERE statement.contract_id = :contract AND statement.period_start = :period_start
  AND is_billable(:contract, correction.account_id, statement.body)
  AND coalesce(correction.before_amount_minor, correction.before_seconds)
    IS DISTINCT FROM coalesce(correction.after_amount_minor, correction.after_seconds)
ORDER BY correction.account_name, correction.account_id;
