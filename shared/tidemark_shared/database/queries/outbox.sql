-- name: put(topics, keys, headers, values)!
INSERT INTO outbox (topic, key, headers, value)
SELECT o.topic, o.key, o.headers, o.value
FROM unnest(:topics::text [], :keys::bytea [], :headers::jsonb [], :values::bytea []) WITH ORDINALITY
  AS o (topic, key, headers, value, position)
ORDER BY o.position;

-- name: pending(most)
SELECT id, topic, key, headers, value
FROM outbox
ORDER BY id
LIMIT :most;

-- name: published(ids)!
DELETE FROM outbox
WHERE id = ANY(:ids::bigint []);
