-- name: store_lost_events(topic, ids, versions, data)$
-- Of these published events, those that the database lacks. Returns their number.
WITH stored AS (
  SELECT stream.id, max(stream.version) AS version
  FROM (
    SELECT contract_id AS id, version FROM events
    UNION ALL
    SELECT offer_id, version FROM offer_events
    UNION ALL
    SELECT id, version FROM directory
    UNION ALL
    SELECT id, version FROM deleted_entities
  ) AS stream
  WHERE stream.id = ANY(:ids::uuid[])
  GROUP BY stream.id
), lost AS (
  INSERT INTO lost_events (topic, id, version, data)
  SELECT :topic, published.id, published.version, published.data
  FROM unnest(:ids::uuid[], :versions::bigint[], :data::jsonb[]) AS published (id, version, data)
  LEFT JOIN stored USING (id)
  WHERE published.version > coalesce(stored.version, 0)
  ON CONFLICT DO NOTHING
  RETURNING id
)
SELECT count(*) FROM lost;

-- name: versions_decided_twice(ids, versions, occurred_at)
-- Of these published events of contracts and offers, those whose version the database has from another moment.
SELECT published.id, published.version, stored.occurred_at, stored.newest
FROM unnest(:ids::uuid[], :versions::bigint[], :occurred_at::timestamptz[]) AS published (id, version, occurred_at)
JOIN LATERAL (
  SELECT occurred_at, (SELECT max(version) FROM events WHERE contract_id = published.id) AS newest
  FROM events
  WHERE contract_id = published.id AND version = published.version
  UNION ALL
  SELECT occurred_at, (SELECT max(version) FROM offer_events WHERE offer_id = published.id)
  FROM offer_events
  WHERE offer_id = published.id AND version = published.version
) AS stored ON stored.occurred_at <> published.occurred_at;

-- name: has_lost_events()$
SELECT exists(SELECT FROM lost_events);

-- name: missing_version()^
-- The first version that neither the database nor Kafka has, although a later one was published.
SELECT lost.topic, lost.id, lost.version - 1 AS version
FROM lost_events AS lost
WHERE lost.topic <> 'contracts.directory'
  AND NOT EXISTS (SELECT FROM lost_events AS other WHERE (other.id, other.version) = (lost.id, lost.version - 1))
  AND lost.version > 1
  AND NOT EXISTS (SELECT FROM events WHERE (contract_id, version) = (lost.id, lost.version - 1))
  AND NOT EXISTS (SELECT FROM offer_events WHERE (offer_id, version) = (lost.id, lost.version - 1))
ORDER BY lost.id, lost.version
LIMIT 1;

-- name: lock_directory()!
LOCK TABLE directory IN EXCLUSIVE MODE;

-- name: delete_lost_entities(kinds)!
-- Entities whose deletion was lost.
WITH newest AS (
  SELECT DISTINCT ON (id) id, version, data
  FROM lost_events
  WHERE topic = 'contracts.directory'
  ORDER BY id, version DESC
), deleted AS (
  INSERT INTO deleted_entities AS stored (id, version)
  SELECT id, version
  FROM newest
  WHERE (data ->> 'deleted')::boolean AND data ->> 'kind' = ANY(:kinds::text[])
  ON CONFLICT (id) DO UPDATE SET version = greatest(stored.version, excluded.version)
  RETURNING id
)
DELETE FROM directory WHERE id IN (SELECT id FROM deleted);

-- name: restore_lost_entities(kinds)!
WITH newest AS (
  SELECT DISTINCT ON (id) id, version, data
  FROM lost_events
  WHERE topic = 'contracts.directory'
  ORDER BY id, version DESC
)
INSERT INTO directory (id, kind, version, name, body)
SELECT id, data ->> 'kind', version, data ->> 'name', data -> 'body'
FROM newest
WHERE NOT (data ->> 'deleted')::boolean AND data ->> 'kind' = ANY(:kinds::text[])
ON CONFLICT (id) DO UPDATE SET version = excluded.version, name = excluded.name, body = excluded.body;

-- name: restore_lost_events()!
INSERT INTO events (contract_id, version, type, data, actor, reason, occurred_at, correlation_id)
SELECT event.contract_id, event.version, event.type, event.data, event.actor, event.reason, event.occurred_at,
  event.correlation_id
FROM lost_events AS lost
CROSS JOIN LATERAL jsonb_populate_record(NULL::events, lost.data) AS event
WHERE lost.topic = 'contracts.lifecycle';

-- name: restore_lost_offer_events()!
INSERT INTO offer_events (offer_id, version, type, data, actor, occurred_at, correlation_id)
SELECT event.offer_id, event.version, event.type, event.data, event.actor, event.occurred_at, event.correlation_id
FROM lost_events AS lost
CROSS JOIN LATERAL jsonb_populate_record(NULL::offer_events, lost.data) AS event
WHERE lost.topic = 'contracts.offers';

-- name: clear_lost_events()!
DELETE FROM lost_events;
