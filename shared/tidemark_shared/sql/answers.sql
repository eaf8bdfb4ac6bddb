-- name: lock_key(actor, key)$
-- Two requests with one key: the second waits for the first and finds its answer.
SELECT pg_advisory_xact_lock(hashtextextended(:key, hashtextextended(:actor, 0)));

-- name: known_answer(actor, key)^
SELECT request, status, headers, body
FROM answers
WHERE actor = :actor AND key = :key;

-- name: keep_answer(actor, key, request, status, headers, body)!
INSERT INTO answers (actor, key, request, status, headers, body)
VALUES (:actor, :key, :request, :status, :headers, :body);

-- name: forget_answers(before)!
DELETE FROM answers
WHERE answered_at < :before;
