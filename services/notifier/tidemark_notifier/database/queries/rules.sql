-- name: insert_rule(body)^
-- Nothing where the scope has a rule of that name.
INSERT INTO rules (body) VALUES (:body::jsonb)
ON CONFLICT (scope, scope_id, name) DO NOTHING
RETURNING id, version, body::text AS body;

-- name: rule(id)^
SELECT id, version, body::text AS body FROM rules WHERE id = :id;

-- name: rules(after, most)
SELECT id, version, body::text AS body FROM rules
WHERE :after::uuid IS NULL OR id > :after
ORDER BY id
LIMIT :most;

-- name: rule_of_name(body)$
-- Another rule of this name in this scope has this id.
SELECT id FROM rules
WHERE name = :body::jsonb ->> 'name'
  AND scope = :body::jsonb #>> '{scope,kind}'
  AND scope_id IS NOT DISTINCT FROM (:body::jsonb #>> '{scope,id}')::uuid;

-- name: update_rule(id, body)^
UPDATE rules SET body = :body::jsonb, version = version + 1 WHERE id = :id
RETURNING id, version, body::text AS body;

-- name: delete_rule(id)!
DELETE FROM rules WHERE id = :id;

-- name: is_known(id, kind)$
-- Whether an organization, a team or a contract has been heard of.
SELECT exists(SELECT FROM directory WHERE id = :id AND kind = :kind AND NOT (body ->> 'deleted')::boolean)
  OR exists(SELECT FROM contracts WHERE id = :id AND terms IS NOT NULL AND :kind = 'contract');
