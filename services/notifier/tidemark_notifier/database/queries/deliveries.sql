-- name: lease_deliveries(channel, max_count, lease_seconds)
-- Takes due deliveries for a limited time. If the process dies, another takes them over when the lease ends.
UPDATE deliveries AS d
SET attempts = d.attempts + 1, leased_until = clock_timestamp() + make_interval(secs => :lease_seconds)
FROM (
  SELECT id FROM deliveries
  WHERE status = 'pending' AND channel = :channel AND due_at <= clock_timestamp()
    AND (leased_until IS NULL OR leased_until <= clock_timestamp())
  ORDER BY due_at
  LIMIT :max_count
  FOR UPDATE SKIP LOCKED
) AS due, notifications AS n
WHERE d.id = due.id AND n.id = d.notification_id
RETURNING
  d.id, d.attempts, d.channel, d.receiver, d.addressee::text AS addressee, n.id AS notification_id, n.contract_id,
  n.contract_code, n.rule_id, n.rule_name, n.subject, n.subject_id, n.threshold, n.period_start, n.raised_at,
  n.snapshot::text AS snapshot, clock_timestamp() AS leased_at;

-- name: renew_leases(ids, lease_seconds)!
-- A postponed delivery has no lease and gets none here.
UPDATE deliveries SET leased_until = clock_timestamp() + make_interval(secs => :lease_seconds)
WHERE id = ANY(:ids::uuid[]) AND status = 'pending' AND leased_until IS NOT NULL;

-- name: finish_delivery(id, attempts, status, error)$
-- Changes nothing if the lease ended meanwhile: the delivery then belongs to a later attempt.
UPDATE deliveries
SET status = :status, last_error = coalesce(:error, last_error),
  delivered_at = CASE WHEN :status = 'delivered' THEN clock_timestamp() END
WHERE id = :id AND attempts = :attempts AND status = 'pending'
RETURNING clock_timestamp();

-- name: postpone_delivery(id, attempts, error, delay_seconds)!
UPDATE deliveries
SET last_error = :error, due_at = clock_timestamp() + make_interval(secs => :delay_seconds), leased_until = NULL
WHERE id = :id AND attempts = :attempts AND status = 'pending';

-- name: reset_failed_deliveries(notification_id)
-- The mail keeps its Message-ID.
UPDATE deliveries SET status = 'pending', attempts = 0, due_at = clock_timestamp(), leased_until = NULL
WHERE notification_id = :notification_id AND status = 'failed'
RETURNING id;
