-- name: notifications(id, contract, status, before, most)
-- Newest first, each with its deliveries; those that have a delivery of this status, of a contract by id or code.
SELECT
  n.id, n.contract_id, n.contract_code, n.rule_id, n.rule_name, n.subject, n.subject_id, n.threshold,
  n.period_start, n.raised_at, n.snapshot::text AS snapshot,
  (
    SELECT json_agg(json_build_object(
      'delivery_id', d.id, 'channel', d.channel, 'receiver', d.receiver, 'status', d.status,
      'attempts', d.attempts, 'last_error', d.last_error, 'delivered_at', d.delivered_at
    ) ORDER BY d.id)::text
    FROM deliveries AS d
    WHERE d.notification_id = n.id
  ) AS deliveries
FROM notifications AS n
WHERE (:id::uuid IS NULL OR n.id = :id)
  AND (:contract::text IS NULL OR n.contract_code = :contract OR n.contract_id::text = :contract)
  AND (:status::text IS NULL OR exists(SELECT FROM deliveries WHERE notification_id = n.id AND status = :status))
  AND (:before::uuid IS NULL OR n.id < :before)
ORDER BY n.id DESC
LIMIT :most;

-- name: resend(id)
-- Try again what was given up; the mail keeps its Message-ID.
UPDATE deliveries SET status = 'pending', attempts = 0, due_at = clock_timestamp(), leased_until = NULL
WHERE notification_id = :id AND status = 'failed'
RETURNING id;

-- name: raised(ids)
-- When these were raised, and to whom, each with how it went.
SELECT
  n.id, n.raised_at,
  (
    SELECT json_agg(json_build_object('receiver', d.receiver, 'status', d.status) ORDER BY d.id)::text
    FROM deliveries AS d
    WHERE d.notification_id = n.id
  ) AS receivers
FROM notifications AS n
WHERE n.id = ANY(:ids::uuid []);
