-- name: digest_due(now)^
-- A digest that another instance is building is left out.
SELECT id, version, body::text AS body, next_digest_at FROM rules
WHERE body #>> '{trigger,kind}' = 'digest' AND (body ->> 'enabled')::boolean
  AND coalesce(next_digest_at, '-infinity') <= :now
ORDER BY id
LIMIT 1
FOR UPDATE SKIP LOCKED;

-- name: schedule_digest(id, next_digest_at)!
UPDATE rules SET next_digest_at = :next_digest_at WHERE id = :id;

-- name: zones_in_scope(scope_id)
SELECT DISTINCT terms ->> 'timezone' AS timezone FROM contracts
WHERE terms IS NOT NULL AND (:scope_id::uuid IS NULL OR :scope_id IN (id, organization_id));

-- name: previous_digests(rule_id, contract_ids)
-- The last digest of each contract to each receiver.
SELECT DISTINCT ON (n.contract_id, d.receiver)
  n.contract_id, d.receiver, n.snapshot::text AS snapshot
FROM notifications AS n
JOIN deliveries AS d ON d.notification_id = n.id
WHERE n.rule_id = :rule_id AND n.contract_id = ANY(:contract_ids::uuid[]) AND n.snapshot ->> 'kind' = 'digest'
ORDER BY n.contract_id, d.receiver, n.id DESC;
