-- name: store_offers(ids, contract_ids, versions, bodies)!
-- A new version is due at once. Of versions that come together only the newest is notified.
INSERT INTO offers AS o (id, contract_id, version, body, next_notification_at)
SELECT n.id, n.contract_id, n.version, n.body, '-infinity'
FROM unnest(:ids::uuid[], :contract_ids::uuid[], :versions::bigint[], :bodies::jsonb[])
  AS n (id, contract_id, version, body)
ORDER BY n.id
ON CONFLICT (id) DO UPDATE SET version = excluded.version, body = excluded.body, next_notification_at = '-infinity'
WHERE excluded.version > o.version;

-- name: offers_due(now, max_count)
-- Offers wait for their contract, in the version that has the accepted adjustment, and for its balance as an evaluation
-- does. Those that another instance notifies are left out.
SELECT o.id, o.contract_id, o.version, o.notified_version, o.body::text AS body
FROM offers AS o
JOIN contracts AS c ON c.id = o.contract_id AND c.stream_version >= coalesce((o.body ->> 'stream_version')::integer, 1)
JOIN directory AS d ON d.id = c.organization_id
WHERE o.next_notification_at <= :now
  AND NOT (coalesce(c.balance_stream_version, 0) < c.stream_version AND coalesce(c.balance_awaited_until > :now, FALSE))
ORDER BY o.next_notification_at, o.id
LIMIT :max_count
FOR UPDATE OF o SKIP LOCKED;

-- name: update_notified_offers(ids, versions, next_notifications)!
UPDATE offers AS o
SET notified_version = n.version, next_notification_at = n.next_notification_at
FROM unnest(:ids::uuid[], :versions::bigint[], :next_notifications::timestamptz[])
  AS n (id, version, next_notification_at)
WHERE o.id = n.id;
