-- name: new_ids(id_count)
-- The ids sort by time.
SELECT uuidv7() AS id FROM generate_series(1, :id_count::integer);

-- name: insert_notification_keys(rows)
-- Returns the keys that did not exist yet.
INSERT INTO notification_keys (
  contract_id, rule_name, trigger, subject, subject_id, period_start, threshold, episode, generation, kind,
  notified_on, notification_id
)
SELECT
  contract_id, rule_name, trigger, subject, subject_id, period_start, threshold, episode, generation, kind,
  notified_on, notification_id
FROM jsonb_populate_recordset(NULL::notification_keys, :rows::jsonb)
ON CONFLICT DO NOTHING
RETURNING notification_id, threshold;

-- name: notification_keys(contract_ids)
SELECT
  contract_id, rule_name, trigger, subject, subject_id, period_start, threshold, episode, generation, kind,
  notified_on, notification_id
FROM notification_keys WHERE contract_id = ANY(:contract_ids::uuid[]);

-- name: insert_notifications(rows)!
INSERT INTO notifications (
  id, contract_id, contract_code, rule_id, rule_name, offer_id, subject, subject_id, threshold, period_start, raised_at,
  snapshot, traceparent
)
SELECT
  id, contract_id, contract_code, rule_id, rule_name, offer_id, subject, subject_id, threshold, period_start, raised_at,
  snapshot, traceparent
FROM jsonb_populate_recordset(NULL::notifications, :rows::jsonb);

-- name: insert_deliveries(rows)!
INSERT INTO deliveries (id, message_id, notification_id, channel, addressee, status)
SELECT
  r.id, r.message_id, r.notification_id, r.channel, r.addressee,
  CASE WHEN r.addressee IS NULL THEN 'no_receiver' ELSE 'pending' END
FROM jsonb_to_recordset(:rows::jsonb) AS r (
  id uuid, message_id uuid, notification_id uuid, channel text, addressee jsonb
);

-- name: notifications(id, contract, status, before, max_count)
-- Newest first, each with its deliveries. The filters: one id, a contract by id or code, a delivery with this status.
SELECT
  n.id, n.contract_id, n.contract_code, n.rule_id, n.rule_name, n.offer_id, n.subject, n.subject_id, n.threshold,
  n.period_start, n.raised_at, n.snapshot::text AS snapshot,
  (
    SELECT json_agg(json_build_object(
      'delivery_id', d.id, 'message_id', d.message_id, 'channel', d.channel, 'receiver', d.receiver, 'status', d.status,
      'attempts', d.attempts, 'last_error', d.last_error, 'delivered_at', d.delivered_at
    ) ORDER BY d.id)::text
    FROM deliveries AS d
    WHERE d.notification_id = n.id
  ) AS deliveries
FROM notifications AS n
WHERE (:id::uuid IS NULL OR n.id = :id)
  AND (:contract::text IS NULL OR n.contract_code = :contract OR n.contract_id::text = :contract)
  AND (:status::text IS NULL OR EXISTS (SELECT FROM deliveries WHERE notification_id = n.id AND status = :status))
  AND (:before::uuid IS NULL OR n.id < :before)
ORDER BY n.id DESC
LIMIT :max_count;

-- name: delivery_statuses(notification_ids)
-- When each notification was raised, its receivers, and the status of each delivery.
SELECT
  n.id, n.raised_at,
  (
    SELECT json_agg(json_build_object('receiver', d.receiver, 'status', d.status) ORDER BY d.id)::text
    FROM deliveries AS d
    WHERE d.notification_id = n.id
  ) AS receivers
FROM notifications AS n
WHERE n.id = ANY(:notification_ids::uuid[]);
