-- name: claim_idempotency_key(actor, key, request)$
-- True if the key is new. Of two requests with one key, the second waits for the first and finds its response.
INSERT INTO idempotency_keys (actor, key, request, status, headers, body)
VALUES (:actor, :key, :request, 0, '{}', '')
ON CONFLICT DO NOTHING
RETURNING TRUE;

-- name: load_response(actor, key)^
SELECT request, status, headers, body
FROM idempotency_keys
WHERE actor = :actor AND key = :key;

-- name: store_response(actor, key, status, headers, body)!
UPDATE idempotency_keys SET status = :status, headers = :headers, body = :body
WHERE actor = :actor AND key = :key;

-- name: release_idempotency_key(actor, key)!
DELETE FROM idempotency_keys
WHERE actor = :actor AND key = :key;

-- name: delete_expired_keys(before)!
DELETE FROM idempotency_keys
WHERE answered_at < :before;
