-- name: list_offer_events(offer_id)
SELECT type, data, actor, occurred_at
FROM offer_events
WHERE offer_id = :offer_id
ORDER BY version;

-- name: list_contract_offer_events(contract_id)
-- Of all offers of a contract, in the order in which they happened.
SELECT event.offer_id, event.type, event.data, event.actor, event.occurred_at
FROM offer_events AS event
JOIN offers AS offer ON offer.id = event.offer_id
WHERE offer.contract_id = :contract_id
ORDER BY event.occurred_at, event.offer_id, event.version;

-- name: list_all_offer_events()
SELECT offer_id, type, data, actor, occurred_at
FROM offer_events
ORDER BY offer_id, version;

-- name: append_offer_events(offer_id, versions, types, data, actors, occurred_at, correlation_id)!
INSERT INTO offer_events (offer_id, version, type, data, actor, occurred_at, correlation_id)
SELECT :offer_id, event.version, event.type, event.data, event.actor, event.occurred_at, :correlation_id
FROM unnest(
  :versions::bigint[], :types::text[], :data::jsonb[], :actors::text[], :occurred_at::timestamptz[]
) AS event (version, type, data, actor, occurred_at);

-- name: save_offers(ids, versions, created_at, updated_at, bodies)!
INSERT INTO offers (
  id, version, status, contract_id, account_id, period_start, valid_until, notification_id, created_at, updated_at,
  body
)
SELECT
  offer.id, offer.version, state.status, state.contract_id, state.account_id, state.period_start, state.valid_until,
  state.notification_id, offer.created_at, offer.updated_at, offer.body
FROM unnest(
  :ids::uuid[], :versions::bigint[], :created_at::timestamptz[], :updated_at::timestamptz[], :bodies::jsonb[]
) AS offer (id, version, created_at, updated_at, body)
CROSS JOIN LATERAL jsonb_to_record(offer.body) AS state (
  status text, contract_id uuid, account_id uuid, period_start date, valid_until timestamptz, notification_id uuid
)
ON CONFLICT (id) DO UPDATE
SET
  version = excluded.version, status = excluded.status, valid_until = excluded.valid_until,
  updated_at = excluded.updated_at, body = excluded.body;

-- name: delete_offers()!
DELETE FROM offers;

-- name: lock_offers()!
-- Offers are made one after another, so that each sees those that wait for an answer.
LOCK TABLE offers IN SHARE ROW EXCLUSIVE MODE;

-- name: new_offer_id()$
SELECT uuidv7();

-- name: lock_offer(id)$
-- Changes of an offer are made one after another. Null if there is no such offer.
SELECT id
FROM offers
WHERE id = :id
FOR UPDATE;

-- name: find_offer(id)^
SELECT id, version, created_at, updated_at, body
FROM offers
WHERE id = :id;

-- name: has_offer_of_notification(notification_id)$
SELECT exists(SELECT FROM offers WHERE notification_id = :notification_id);

-- name: list_pending_offers(contract_id)
SELECT account_id, period_start
FROM offers
WHERE contract_id = :contract_id AND status IN ('requested', 'open');

-- name: list_offers(contract_id, statuses, before, max_rows)
-- The newest first: ids grow with time.
SELECT id, version, created_at, updated_at, body
FROM offers
WHERE (:contract_id::uuid IS NULL OR contract_id = :contract_id::uuid)
  AND (:statuses::text[] IS NULL OR status = ANY(:statuses::text[]))
  AND (:before::uuid IS NULL OR id < :before::uuid)
ORDER BY id DESC
LIMIT :max_rows;

-- name: list_ended_offers(now)
SELECT id
FROM offers
WHERE status = 'open' AND valid_until < :now
ORDER BY valid_until;

-- name: lock_ended_offers(contract_id, now)
-- Without waiting for those that are being answered.
SELECT id
FROM offers
WHERE contract_id = :contract_id AND status = 'open' AND valid_until < :now
FOR UPDATE SKIP LOCKED;

-- name: is_offer_link_revoked(offer_id, organization_id)$
-- Whether all links of the organization were revoked since the offer was sent. Null if they never were.
SELECT revocation.revoked_at >= (
  SELECT max(event.occurred_at) FROM offer_events AS event WHERE event.offer_id = :offer_id AND event.type = 'made'
)
FROM customer_link_revocations AS revocation
WHERE revocation.organization_id = :organization_id;
