-- name: lease_deliveries(channel, max_count, max_per_host, hosts, host_places, receivers, receiver_places, lease_seconds)
-- Takes due messages for a limited time, each with all its deliveries. If the process dies, another takes them over
-- when the lease ends. The first delivery of a message stands for it: the message has its id. A host that is not named
-- has `max_per_host` places, and a receiver one. The oldest thousand of those with places are looked at, so a long
-- queue of one receiver costs little and hides the others for one round at most.
WITH due AS MATERIALIZED (
  SELECT d.id, d.due_at, d.receiver, host.name AS host, coalesce(host_place.free, :max_per_host) AS host_free,
    coalesce(receiver_place.free, 1) AS receiver_free
  FROM deliveries AS d
  CROSS JOIN LATERAL (SELECT lower(substring(d.receiver FROM '(?:://|@)(\[[^]]*\]|[^/?#:]+)')) AS name) AS host
  LEFT JOIN unnest(:hosts::text[], :host_places::integer[]) AS host_place (name, free) ON host_place.name = host.name
  LEFT JOIN unnest(:receivers::text[], :receiver_places::integer[]) AS receiver_place (name, free)
    ON receiver_place.name = d.receiver
  WHERE d.status = 'pending' AND d.channel = :channel AND d.due_at <= clock_timestamp() AND d.message_id = d.id
    AND (d.leased_until IS NULL OR d.leased_until <= clock_timestamp())
    AND coalesce(host_place.free, 1) > 0 AND coalesce(receiver_place.free, 1) > 0
  ORDER BY d.due_at, d.id
  LIMIT 1000
),
fitting AS (
  SELECT
    id, due_at, host, host_free,
    row_number() OVER (PARTITION BY host ORDER BY due_at, id) AS host_position
  FROM (
    SELECT due.*, row_number() OVER (PARTITION BY receiver ORDER BY due_at, id) AS receiver_position FROM due
  ) AS queued
  WHERE receiver_position <= receiver_free
),
leased AS (
  SELECT d.id, fitting.host
  FROM fitting
  JOIN deliveries AS d USING (id)
  WHERE fitting.host_position <= fitting.host_free
    AND d.status = 'pending' AND (d.leased_until IS NULL OR d.leased_until <= clock_timestamp())
  ORDER BY fitting.due_at, fitting.id
  LIMIT :max_count
  FOR UPDATE OF d SKIP LOCKED
)
UPDATE deliveries AS d
SET attempts = d.attempts + 1, leased_until = clock_timestamp() + make_interval(secs => :lease_seconds)
FROM leased, notifications AS n
WHERE d.message_id = leased.id AND d.status = 'pending' AND n.id = d.notification_id
RETURNING
  d.message_id, d.id, d.attempts, d.channel, d.receiver, leased.host, d.addressee::text AS addressee,
  n.id AS notification_id, n.contract_id, n.contract_code, n.rule_id, n.rule_name, n.offer_id, n.subject, n.subject_id,
  n.threshold, n.period_start, n.raised_at, n.snapshot::text AS snapshot, n.traceparent,
  clock_timestamp() AS leased_at;

-- name: oldest_delivery(channel)^
SELECT d.id, n.contract_code, d.last_error
FROM deliveries AS d
JOIN notifications AS n ON n.id = d.notification_id
WHERE d.status = 'pending' AND d.channel = :channel
ORDER BY n.raised_at, d.id
LIMIT 1;

-- name: renew_leases(message_ids, lease_seconds)!
-- A postponed message has no lease and gets none here.
UPDATE deliveries SET leased_until = clock_timestamp() + make_interval(secs => :lease_seconds)
WHERE id = ANY(:message_ids::uuid[]) AND status = 'pending' AND leased_until IS NOT NULL;

-- name: finish_message(message_id, attempts, status, error)
-- Changes nothing if the lease ended meanwhile: the message then belongs to a later attempt. The first delivery is
-- locked before the others, as in lease_deliveries, and alone says which attempt it is.
WITH message AS MATERIALIZED (
  SELECT id FROM deliveries WHERE id = :message_id AND attempts = :attempts AND status = 'pending' FOR UPDATE
)
UPDATE deliveries AS d
SET status = :status, last_error = coalesce(:error, d.last_error),
  delivered_at = CASE WHEN :status = 'delivered' THEN clock_timestamp() END
FROM message
WHERE d.message_id = message.id AND d.status = 'pending'
RETURNING d.id, clock_timestamp() AS finished_at;

-- name: postpone_message(message_id, attempts, error, delay_seconds)!
WITH message AS MATERIALIZED (
  SELECT id FROM deliveries WHERE id = :message_id AND attempts = :attempts AND status = 'pending' FOR UPDATE
)
UPDATE deliveries AS d
SET last_error = :error, due_at = clock_timestamp() + make_interval(secs => :delay_seconds), leased_until = NULL
FROM message
WHERE d.message_id = message.id AND d.status = 'pending';

-- name: reset_failed_deliveries(notification_id)
-- Each is sent alone now. A mail that was sent alone before keeps its Message-ID.
UPDATE deliveries SET status = 'pending', attempts = 0, due_at = clock_timestamp(), leased_until = NULL, message_id = id
WHERE notification_id = :notification_id AND status = 'failed'
RETURNING id;

-- name: queues()
SELECT 'pending_deliveries' AS name, count(*) AS length, min(n.raised_at) AS oldest_at
FROM deliveries AS d
JOIN notifications AS n ON n.id = d.notification_id
WHERE d.status = 'pending'
UNION ALL
SELECT 'pending_report_mails', count(*), min(raised_at) FROM report_mails WHERE status = 'pending';
