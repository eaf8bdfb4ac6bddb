-- name: pending(now, most)
-- The balances to publish: the previous and the current period of each (SPEC 4).
SELECT b.contract_id, b.revision, b.correlation_id, body.body::text AS body
FROM balances AS b
JOIN contracts AS c ON c.contract_id = b.contract_id AND c.status IS NOT NULL
JOIN LATERAL balance(b.contract_id, :now, FALSE) AS body (body) ON TRUE
WHERE b.revision > b.published
ORDER BY b.contract_id
LIMIT :most;

-- name: published(ids, revisions)!
UPDATE balances AS b
SET published = p.revision
FROM unnest(:ids::uuid [], :revisions::bigint []) AS p (contract_id, revision)
WHERE b.contract_id = p.contract_id;
