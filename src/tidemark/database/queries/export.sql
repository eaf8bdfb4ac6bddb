-- What the tables for operations teams say of a customer or a person: one row of JSON for each row of a view. Each
-- query reads the views of one service, which may have a database of its own.

-- name: organization_figures(organization_id)
SELECT item.view_name, item.content
FROM (
  SELECT contract_id FROM reporting.contracts WHERE organization_id = :organization_id::uuid
) AS contract
CROSS JOIN LATERAL (
  SELECT 'contracts' AS view_name, to_jsonb(row) AS content FROM reporting.contracts AS row
  WHERE row.contract_id = contract.contract_id
  UNION ALL
  SELECT 'contract_periods', to_jsonb(row) FROM reporting.contract_periods AS row
  WHERE row.contract_id = contract.contract_id
  UNION ALL
  SELECT 'account_consumption', to_jsonb(row) FROM reporting.account_consumption AS row
  WHERE row.contract_id = contract.contract_id
  UNION ALL
  SELECT 'slice_consumption', to_jsonb(row) FROM reporting.slice_consumption AS row
  WHERE row.contract_id = contract.contract_id
  UNION ALL
  SELECT 'daily_consumption', to_jsonb(row) FROM reporting.daily_consumption AS row
  WHERE row.contract_id = contract.contract_id
  UNION ALL
  SELECT 'worklogs', to_jsonb(row) FROM reporting.worklogs AS row WHERE row.contract_id = contract.contract_id
  UNION ALL
  SELECT 'unaccounted_worklogs', to_jsonb(row) FROM reporting.unaccounted_worklogs AS row
  WHERE row.contract_id = contract.contract_id
  UNION ALL
  SELECT 'restatements', to_jsonb(row) FROM reporting.restatements AS row
  WHERE row.contract_id = contract.contract_id
  UNION ALL
  SELECT 'statements', to_jsonb(row) FROM reporting.statements AS row WHERE row.contract_id = contract.contract_id
) AS item
ORDER BY item.view_name, item.content ->> 'contract_code', item.content ->> 'period_start';

-- name: organization_notifications(contract_ids)
SELECT 'notifications' AS view_name, to_jsonb(row) AS content
FROM reporting.notifications AS row
WHERE row.contract_id = ANY(:contract_ids::uuid[])
ORDER BY row.raised_at, row.delivery_id;

-- name: organization_offers(contract_ids)
SELECT 'offers' AS view_name, to_jsonb(row) AS content
FROM reporting.offers AS row
WHERE row.contract_id = ANY(:contract_ids::uuid[])
ORDER BY row.contract_id;

-- name: person_work(person_id)
SELECT 'worklogs' AS view_name, to_jsonb(row) AS content FROM reporting.worklogs AS row
WHERE row.author_id = :person_id
UNION ALL
SELECT 'unaccounted_worklogs', to_jsonb(row) FROM reporting.unaccounted_worklogs AS row
WHERE row.author_id = :person_id
UNION ALL
SELECT 'restatements', to_jsonb(row) FROM reporting.restatements AS row
WHERE row.cause LIKE 'membership:%' AND substr(row.cause, 49) = :person_id
ORDER BY view_name;

-- name: person_memberships(person_id)
SELECT 'team_members' AS view_name, to_jsonb(row) AS content
FROM reporting.team_members AS row
WHERE row.person_id = :person_id
ORDER BY row.team_name, row.first_day;

-- name: person_contacts(emails)
SELECT 'contacts' AS view_name, to_jsonb(row) AS content FROM reporting.contacts AS row
WHERE lower(row.email) = ANY(:emails::text[])
ORDER BY view_name;

-- name: person_deliveries(emails)
SELECT 'notifications' AS view_name, to_jsonb(row) AS content FROM reporting.notifications AS row
WHERE lower(row.receiver) = ANY(:emails::text[])
ORDER BY view_name;

-- name: person_contracts(emails)
SELECT 'contracts' AS view_name, to_jsonb(row) AS content FROM reporting.contracts AS row
WHERE lower(row.owner_email) = ANY(:emails::text[])
ORDER BY row.contract_code;
