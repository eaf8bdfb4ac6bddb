-- name: list_events(contract_id)
SELECT version, type, data, actor, reason, occurred_at
FROM events
WHERE contract_id = :contract_id
ORDER BY version;

-- name: list_all_events()
SELECT contract_id, type, data, actor, reason, occurred_at
FROM events
ORDER BY contract_id, version;

-- name: lock_events()!
-- Wait for running appends, and block new ones until the transaction ends.
LOCK TABLE offers, offer_events, events IN EXCLUSIVE MODE;

-- name: append_events(contract_ids, versions, types, data, actors, reasons, occurred_at, correlation_id)!
INSERT INTO events (contract_id, version, type, data, actor, reason, occurred_at, correlation_id)
SELECT
  event.contract_id, event.version, event.type, event.data, event.actor, event.reason, event.occurred_at,
  :correlation_id
FROM unnest(
  :contract_ids::uuid[], :versions::integer[], :types::text[], :data::jsonb[], :actors::text[], :reasons::text[],
  :occurred_at::timestamptz[]
) AS event (contract_id, version, type, data, actor, reason, occurred_at);

-- name: save_contracts(ids, versions, statuses, bodies, ends_at, renewed_from, renewed_as)!
INSERT INTO contracts (
  id, version, status, code, name, description, owner_name, owner_email, organization_id, start_date, end_date,
  ends_at, renewed_from, renewed_as, body
)
SELECT
  contract.id, contract.version, contract.status, terms.code, terms.name, terms.description,
  terms.owner ->> 'name', terms.owner ->> 'email', terms.organization_id, terms.start_date, terms.end_date,
  contract.ends_at, contract.renewed_from, contract.renewed_as, contract.body
FROM unnest(
  :ids::uuid[], :versions::integer[], :statuses::text[], :bodies::jsonb[], :ends_at::timestamptz[],
  :renewed_from::uuid[], :renewed_as::uuid[]
) AS contract (id, version, status, body, ends_at, renewed_from, renewed_as)
CROSS JOIN LATERAL jsonb_to_record(contract.body) AS terms (
  code text, name text, description text, owner jsonb, organization_id uuid, start_date date, end_date date
)
ON CONFLICT (id) DO UPDATE SET
version = excluded.version, status = excluded.status, name = excluded.name, description = excluded.description,
owner_name = excluded.owner_name, owner_email = excluded.owner_email, organization_id = excluded.organization_id,
start_date = excluded.start_date, end_date = excluded.end_date, ends_at = excluded.ends_at,
renewed_from = excluded.renewed_from, renewed_as = excluded.renewed_as, body = excluded.body;

-- name: save_references(contract_ids, entity_ids)!
-- Replace the references of these contracts: one row for each contract and entity.
WITH current_references AS (
  SELECT reference.contract_id, reference.entity_id
  FROM unnest(:contract_ids::uuid[], :entity_ids::uuid[]) AS reference (contract_id, entity_id)
),
deleted_references AS (
  DELETE FROM contract_references AS old
  WHERE old.contract_id = ANY(:contract_ids::uuid[])
    AND NOT EXISTS (
      SELECT FROM current_references AS new
      WHERE (new.contract_id, new.entity_id) = (old.contract_id, old.entity_id)
    )
)
INSERT INTO contract_references (contract_id, entity_id)
SELECT contract_id, entity_id FROM current_references
ON CONFLICT DO NOTHING;

-- name: delete_discarded(ids)!
DELETE FROM contracts
WHERE id = ANY(:ids::uuid[]);

-- name: delete_contracts()!
DELETE FROM contracts;

-- name: count_contracts()$
SELECT count(*) FROM contracts;

-- name: find_contract(id, code)^
-- A match by id comes before a match by code.
SELECT id, version, status, renewed_from, renewed_as, body
FROM contracts
WHERE id = :id::uuid OR code = :code
ORDER BY id = :id::uuid DESC NULLS LAST
LIMIT 1;

-- name: taken_codes(codes)
SELECT code
FROM contracts
WHERE code = ANY(:codes::text[]);

-- name: list_contracts(statuses, organization, owner, first_day, last_day, text, after_code, max_rows)
SELECT id, version, status, renewed_from, renewed_as, body
FROM contracts AS contract
WHERE (:statuses::text[] IS NULL OR status = ANY(:statuses::text[]))
  AND (:organization::uuid IS NULL OR organization_id = :organization::uuid)
  AND (:owner::text IS NULL OR contains_text(concat_ws(' ', owner_name, owner_email), :owner::text))
  AND (:first_day::date IS NULL OR end_date >= :first_day::date)
  AND (:last_day::date IS NULL OR start_date <= :last_day::date)
  AND (
    :text::text IS NULL
    OR contains_text(concat_ws(' ', code, name, description), :text::text)
    OR EXISTS (
      SELECT FROM directory AS organization
      WHERE organization.id = contract.organization_id AND contains_text(organization.name, :text::text)
    )
  )
  AND (:after_code::text IS NULL OR code > :after_code::text)
ORDER BY code
LIMIT :max_rows;

-- name: list_ended_contracts(now)
SELECT id
FROM contracts
WHERE status = 'ACTIVE' AND ends_at <= :now
ORDER BY ends_at;
