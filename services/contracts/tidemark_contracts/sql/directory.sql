-- name: entity(kind, id)^
SELECT id, version, body
FROM directory
WHERE kind = :kind AND id = :id;

-- name: add_entity(kind, id, body)!
INSERT INTO directory (id, kind, version, name, body)
VALUES (:id, :kind, 1, :body::jsonb ->> 'name', :body::jsonb);

-- name: change_entity(id, version, body)$
-- The next version; null where :version is no longer the one that stands.
UPDATE directory
SET version = version + 1, name = :body::jsonb ->> 'name', body = :body::jsonb
WHERE id = :id AND version = :version
RETURNING version;

-- name: remove_entity(id, version)$
DELETE FROM directory
WHERE id = :id AND version = :version
RETURNING version + 1;

-- name: list_entities(kind, name, text, after_name, after_id, most)
SELECT id, version, name, body
FROM directory
WHERE kind = :kind
  AND (:name::text IS NULL OR name = :name::text)
  AND (:text::text IS NULL OR holds(name, :text::text))
  AND (:after_name::text IS NULL OR (name, id) > (:after_name::text, :after_id::uuid))
ORDER BY name, id
LIMIT :most;

-- name: known_entities(ids)
-- Locked until the transaction ends: what a contract is about to refer to is not deleted meanwhile.
SELECT id, kind
FROM directory
WHERE id = ANY(:ids::uuid [])
ORDER BY id
FOR KEY SHARE;
