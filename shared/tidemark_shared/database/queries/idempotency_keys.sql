-- name: lock_idempotency_key(actor, key)$
-- Of two requests with one key, the second waits for the first and finds its response.
SELECT pg_advisory_xact_lock(hashtextextended(:key, hashtextextended(:actor, 0)));

-- name: load_response(actor, key)^
SELECT request, status, headers, body
FROM idempotency_keys
WHERE actor = :actor AND key = :key;

-- name: store_response(actor, key, request, status, headers, body)!
INSERT INTO idempotency_keys (actor, key, request, status, headers, body)
VALUES (:actor, :key, :request, :status, :headers, :body);

-- name: delete_expired_keys(before)!
DELETE FROM idempotency_keys
WHERE answered_at < :before;
