-- Lists of contracts with their figures, from the balances as they were last published.

-- name: list_balances(statuses, reasons, organization, owner, first_day, last_day, text, after_key, after_id, max_rows)
-- By urgency, last day and code. Each row also has the counts of all contracts that match, whatever their status and
-- reasons; where no contract is left, the only row has just these.
WITH matching AS MATERIALIZED (
  SELECT
    contract.contract_id, contract.status, published.attention,
    (lpad(published.urgency::text, 2, '0') || contract.end_date || contract.code) COLLATE "C" AS sort_key
  FROM contracts AS contract
  JOIN published_balances AS published USING (contract_id)
  LEFT JOIN organizations AS organization USING (organization_id)
  WHERE contract.status IS NOT NULL
    AND (:organization::uuid IS NULL OR contract.organization_id = :organization::uuid)
    AND (
      :owner::text IS NULL
      OR strpos(lower(concat_ws(' ', contract.owner_name, contract.owner_email)), lower(:owner::text)) > 0
    )
    AND (:first_day::date IS NULL OR contract.end_date >= :first_day::date)
    AND (:last_day::date IS NULL OR contract.start_date <= :last_day::date)
    AND (
      :text::text IS NULL
      OR strpos(lower(concat_ws(' ', contract.code, contract.name, organization.name)), lower(:text::text)) > 0
    )
),
counts AS (
  SELECT jsonb_build_object(
    'statuses', (
      SELECT coalesce(jsonb_object_agg(status_count.status, status_count.contracts), '{}')
      FROM (SELECT status, count(*) AS contracts FROM matching GROUP BY status) AS status_count
    ),
    'attention', (
      SELECT coalesce(jsonb_object_agg(reason_count.reason, reason_count.contracts), '{}')
      FROM (
        SELECT reason.name AS reason, count(*) AS contracts
        FROM matching
        CROSS JOIN LATERAL unnest(matching.attention) AS reason (name)
        WHERE matching.attention <> '{}'
        GROUP BY reason.name
      ) AS reason_count
    )
  )::text AS body
),
page AS (
  SELECT contract_id, attention, sort_key
  FROM matching
  WHERE (:statuses::text[] IS NULL OR status = ANY(:statuses::text[]))
    AND (:reasons::text[] IS NULL OR attention && :reasons::text[])
    AND (:after_key::text IS NULL OR (sort_key, contract_id) > (:after_key::text, :after_id::uuid))
  ORDER BY sort_key, contract_id
  LIMIT :max_rows
)
SELECT
  counts.body AS counts, page.contract_id, page.sort_key, page.attention, contract.name, contract.organization_id,
  organization.name AS organization_name, contract.owner_name, contract.owner_email, contract.type,
  contract.recurrence, contract.start_date, contract.end_date, contract.timezone, contract.status,
  (published.body - 'accounts')::text AS body
FROM counts
LEFT JOIN page ON TRUE
LEFT JOIN contracts AS contract USING (contract_id)
LEFT JOIN published_balances AS published USING (contract_id)
LEFT JOIN organizations AS organization USING (organization_id)
ORDER BY page.sort_key, page.contract_id;

-- name: list_revisions(ids)
SELECT contract_id, revision FROM balances WHERE contract_id = ANY(:ids::uuid[]);
