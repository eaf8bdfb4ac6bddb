-- name: find_entity(kind, id)^
SELECT id, version, body
FROM directory
WHERE kind = :kind AND id = :id;

-- name: add_entity(kind, id, name, body)$
-- The version; null if the same rate card exists.
INSERT INTO directory (id, kind, version, name, body)
VALUES (:id, :kind, 1, :name, :body)
ON CONFLICT DO NOTHING
RETURNING version;

-- name: find_rate_card(body)$
-- The rate card with the same person, team, currency and first day.
SELECT id
FROM directory
WHERE kind = 'rate_card'
  AND (body ->> 'person_id', body ->> 'currency', body ->> 'from')
  = (:body::jsonb ->> 'person_id', :body::jsonb ->> 'currency', :body::jsonb ->> 'from')
  AND team_id IS NOT DISTINCT FROM (:body::jsonb ->> 'team_id')::uuid;

-- name: change_entity(id, version, name, body)$
-- The new version; null if :version is not the current one.
UPDATE directory
SET version = version + 1, name = :name, body = :body
WHERE id = :id AND version = :version
RETURNING version;

-- name: delete_entity(id, version)$
-- The version of the deletion; null if :version is not the current one.
WITH deleted AS (
  DELETE FROM directory
  WHERE id = :id AND version = :version
  RETURNING id, version + 1 AS version
)
INSERT INTO deleted_entities (id, version)
SELECT id, version FROM deleted
RETURNING version;

-- name: list_entities(kind, ids, name, text, person, team, after_name, after_id, max_rows)
SELECT id, version, name, body
FROM directory
WHERE kind = :kind
  AND (:ids::uuid[] IS NULL OR id = ANY(:ids::uuid[]))
  AND (:name::text IS NULL OR name = :name::text)
  AND (:text::text IS NULL OR contains_text(name, :text::text))
  AND (:person::text IS NULL OR body ->> 'person_id' = :person::text)
  AND (:team::uuid IS NULL OR team_id = :team::uuid)
  AND (:after_name::text IS NULL OR (name, id) > (:after_name::text, :after_id::uuid))
ORDER BY name, id
LIMIT :max_rows;

-- name: lock_entities(ids)
-- Locked until the transaction ends, so that no entity is deleted while a contract or rate card starts to refer to it.
SELECT id, kind
FROM directory
WHERE id = ANY(:ids::uuid[])
ORDER BY id
FOR KEY SHARE;

-- name: list_names(ids)
SELECT id, name
FROM directory
WHERE id = ANY(:ids::uuid[]);
