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
