-- name: stream(contract_id)
SELECT version, type, data, actor, reason, occurred_at
FROM events
WHERE contract_id = :contract_id
ORDER BY version;

-- name: streams()
SELECT contract_id, type, data, actor, reason, occurred_at
FROM events
ORDER BY contract_id, version;

-- name: hold_events()!
-- Nothing is appended until the transaction ends, and what is under way has ended.
LOCK TABLE events IN SHARE MODE;

-- name: append(contract_id, versions, types, data, actors, reasons, occurred_at, correlation_id)!
INSERT INTO events (contract_id, version, type, data, actor, reason, occurred_at, correlation_id)
SELECT :contract_id, e.version, e.type, e.data, e.actor, e.reason, e.occurred_at, :correlation_id
FROM unnest(
  :versions::integer [], :types::text [], :data::jsonb [], :actors::text [], :reasons::text [],
  :occurred_at::timestamptz []
) AS e (version, type, data, actor, reason, occurred_at);

-- name: save(ids, versions, statuses, bodies, ends_at, renewed_from, renewed_as)!
INSERT INTO contracts (
  id, version, status, code, name, description, owner_name, owner_email, organization_id, start_date, end_date,
  ends_at, renewed_from, renewed_as, body
)
SELECT
  c.id, c.version, c.status, b.code, b.name, b.description, b.owner ->> 'name', b.owner ->> 'email',
  b.organization_id, b.start_date, b.end_date, c.ends_at, c.renewed_from, c.renewed_as, c.body
FROM unnest(
  :ids::uuid [], :versions::integer [], :statuses::text [], :bodies::jsonb [], :ends_at::timestamptz [],
  :renewed_from::uuid [], :renewed_as::uuid []
) AS c (id, version, status, body, ends_at, renewed_from, renewed_as)
CROSS JOIN LATERAL jsonb_to_record(c.body) AS b (
  code text, name text, description text, owner jsonb, organization_id uuid, start_date date, end_date date
)
ON CONFLICT (id) DO UPDATE SET
version = excluded.version, status = excluded.status, name = excluded.name, description = excluded.description,
owner_name = excluded.owner_name, owner_email = excluded.owner_email, organization_id = excluded.organization_id,
start_date = excluded.start_date, end_date = excluded.end_date, ends_at = excluded.ends_at,
renewed_from = excluded.renewed_from, renewed_as = excluded.renewed_as, body = excluded.body;

-- name: refer(contract_ids, entity_ids)!
-- What contracts refer to from now on: a row each.
WITH named AS (
  SELECT n.contract_id, n.entity_id
  FROM unnest(:contract_ids::uuid [], :entity_ids::uuid []) AS n (contract_id, entity_id)
),
gone AS (
  DELETE FROM contract_references AS r
  WHERE r.contract_id = ANY(:contract_ids::uuid [])
    AND NOT EXISTS (SELECT FROM named AS n WHERE (n.contract_id, n.entity_id) = (r.contract_id, r.entity_id))
)
INSERT INTO contract_references (contract_id, entity_id)
SELECT contract_id, entity_id FROM named
ON CONFLICT DO NOTHING;

-- name: forget(id)!
DELETE FROM contracts
WHERE id = :id;

-- name: forget_all()!
DELETE FROM contracts;

-- name: count_contracts()$
SELECT count(*) FROM contracts;

-- name: find(id, code)^
-- Ids before codes.
SELECT id, version, status, renewed_from, renewed_as, body
FROM contracts
WHERE id = :id::uuid OR code = :code
ORDER BY id = :id::uuid DESC NULLS LAST
LIMIT 1;

-- name: code_taken(code)$
SELECT EXISTS (SELECT FROM contracts WHERE code = :code);

-- name: list_contracts(status, organization, owner, first, last, text, after, most)
SELECT id, version, status, renewed_from, renewed_as, body
FROM contracts AS c
WHERE (:status::text [] IS NULL OR status = ANY(:status::text []))
  AND (:organization::uuid IS NULL OR organization_id = :organization::uuid)
  AND (:owner::text IS NULL OR holds(concat_ws(' ', owner_name, owner_email), :owner::text))
  AND (:first::date IS NULL OR end_date >= :first::date)
  AND (:last::date IS NULL OR start_date <= :last::date)
  AND (
    :text::text IS NULL
    OR holds(concat_ws(' ', code, name, description), :text::text)
    OR EXISTS (SELECT FROM directory AS d WHERE d.id = c.organization_id AND holds(d.name, :text::text))
  )
  AND (:after::text IS NULL OR code > :after::text)
ORDER BY code
LIMIT :most;

-- name: due(now)
SELECT id
FROM contracts
WHERE status = 'ACTIVE' AND ends_at <= :now
ORDER BY ends_at;
