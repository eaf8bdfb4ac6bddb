-- name: lease(channel, most, seconds)
-- Take what is due, for a while: whoever dies with it leaves it to others when that is over.
UPDATE deliveries AS d
SET attempts = d.attempts + 1, leased_until = clock_timestamp() + make_interval(secs => :seconds)
FROM (
  SELECT id FROM deliveries
  WHERE status = 'pending' AND channel = :channel AND due_at <= clock_timestamp()
    AND (leased_until IS NULL OR leased_until <= clock_timestamp())
  ORDER BY due_at
  LIMIT :most
  FOR UPDATE SKIP LOCKED
) AS due, notifications AS n
WHERE d.id = due.id AND n.id = d.notification_id
RETURNING
  d.id, d.attempts, d.channel, d.receiver, d.addressee::text AS addressee, n.id AS notification_id, n.contract_id,
  n.contract_code, n.rule_id, n.rule_name, n.subject, n.subject_id, n.threshold, n.period_start, n.raised_at,
  n.snapshot::text AS snapshot, clock_timestamp() AS leased_at;

-- name: renew(ids, seconds)!
-- Not what has just been postponed: it is leased to nobody.
UPDATE deliveries SET leased_until = clock_timestamp() + make_interval(secs => :seconds)
WHERE id = ANY(:ids::uuid []) AND status = 'pending' AND leased_until IS NOT NULL;

-- name: settle(id, attempts, status, error)$
-- The end of a delivery. Whoever's lease ran out meanwhile is too late: the attempt is another's.
UPDATE deliveries
SET status = :status, last_error = coalesce(:error, last_error),
  delivered_at = CASE WHEN :status = 'delivered' THEN clock_timestamp() END
WHERE id = :id AND attempts = :attempts AND status = 'pending'
RETURNING clock_timestamp();

-- name: postpone(id, attempts, error, seconds)!
UPDATE deliveries
SET last_error = :error, due_at = clock_timestamp() + make_interval(secs => :seconds), leased_until = NULL
WHERE id = :id AND attempts = :attempts AND status = 'pending';
