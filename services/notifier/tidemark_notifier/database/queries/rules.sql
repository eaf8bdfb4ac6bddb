-- name: insert_rule(body)^
-- Returns no row if the scope already has a rule with this name.
INSERT INTO rules (body) VALUES (:body::jsonb)
ON CONFLICT (scope, scope_id, name) DO NOTHING
RETURNING id, version, body::text AS body;

-- name: rule(id)^
SELECT id, version, body::text AS body FROM rules WHERE id = :id;

-- name: rules(after, max_count)
SELECT id, version, body::text AS body FROM rules
WHERE :after::uuid IS NULL OR id > :after
ORDER BY id
LIMIT :max_count;

-- name: rules_in_scopes(scope_ids)
-- Global rules, and the rules of these contracts and organizations.
SELECT id, version, body::text AS body FROM rules
WHERE scope = 'global' OR scope_id = ANY(:scope_ids::uuid[]);

-- name: rule_id_by_name(body)$
-- The rule in the same scope with the same name.
SELECT id FROM rules
WHERE name = :body::jsonb ->> 'name'
  AND scope = :body::jsonb #>> '{scope,kind}'
  AND scope_id IS NOT DISTINCT FROM (:body::jsonb #>> '{scope,id}')::uuid;

-- name: update_rule(id, body)^
UPDATE rules SET body = :body::jsonb, version = version + 1, next_digest_at = NULL WHERE id = :id
RETURNING id, version, body::text AS body;

-- name: delete_rule(id)!
DELETE FROM rules WHERE id = :id;

-- name: reference_exists(id, kind)$
-- Whether the notifier has received this organization, team or contract.
SELECT EXISTS (SELECT FROM directory WHERE id = :id AND kind = :kind AND NOT (body ->> 'deleted')::boolean)
  OR EXISTS (SELECT FROM contracts WHERE id = :id AND terms IS NOT NULL AND :kind = 'contract');
