-- name: stream(contract_id)
SELECT version, type, data, actor, reason, occurred_at
FROM events
WHERE contract_id = :contract_id
ORDER BY version;

-- name: append(contract_id, versions, types, data, actors, reasons, occurred_at, correlation_id)!
INSERT INTO events (contract_id, version, type, data, actor, reason, occurred_at, correlation_id)
SELECT :contract_id, e.version, e.type, e.data, e.actor, e.reason, e.occurred_at, :correlation_id
FROM unnest(
  :versions::integer [], :types::text [], :data::jsonb [], :actors::text [], :reasons::text [],
  :occurred_at::timestamptz []
) AS e (version, type, data, actor, reason, occurred_at);

-- name: save(id, version, status, body, ends_at)!
INSERT INTO contracts (
  id, version, status, code, name, description, owner_name, owner_email, organization_id, start_date, end_date,
  ends_at, body
)
SELECT
  :id, :version, :status, b.code, b.name, b.description, b.owner ->> 'name', b.owner ->> 'email', b.organization_id,
  b.start_date, b.end_date, :ends_at, :body
FROM jsonb_to_record(:body::jsonb) AS b (
  code text, name text, description text, owner jsonb, organization_id uuid, start_date date, end_date date
)
ON CONFLICT (id) DO UPDATE SET
version = excluded.version, status = excluded.status, name = excluded.name, description = excluded.description,
owner_name = excluded.owner_name, owner_email = excluded.owner_email, organization_id = excluded.organization_id,
start_date = excluded.start_date, end_date = excluded.end_date, ends_at = excluded.ends_at, body = excluded.body;

-- name: refer(contract_id, entities)!
-- What a contract refers to from now on.
WITH gone AS (
  DELETE FROM contract_references
  WHERE contract_id = :contract_id AND entity_id <> ALL(:entities::uuid [])
)
INSERT INTO contract_references (contract_id, entity_id)
SELECT :contract_id, unnest(:entities::uuid [])
ON CONFLICT DO NOTHING;

-- name: forget(id)!
DELETE FROM contracts
WHERE id = :id;

-- name: find(id, code)^
-- Ids before codes.
SELECT id, version, status, body
FROM contracts
WHERE id = :id::uuid OR code = :code
ORDER BY id = :id::uuid DESC NULLS LAST
LIMIT 1;

-- name: code_taken(code)$
SELECT EXISTS (SELECT FROM contracts WHERE code = :code);

-- name: list_contracts(status, organization, owner, first, last, text, after, most)
SELECT id, version, status, body
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
