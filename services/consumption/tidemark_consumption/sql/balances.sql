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

-- name: begin_days(now, correlation_id)!
-- Where another day has begun in the contract's own time zone. Any number of instances may do so at once.
UPDATE balances AS b
SET revision = b.revision + 1, correlation_id = :correlation_id, day = d.day
FROM (
  SELECT b.contract_id, (:now::timestamptz AT TIME ZONE c.timezone)::date AS day
  FROM balances AS b
  JOIN contracts AS c USING (contract_id)
  WHERE c.status = 'ACTIVE' AND b.day < (:now::timestamptz AT TIME ZONE c.timezone)::date
  ORDER BY b.contract_id
  FOR UPDATE OF b
) AS d
WHERE b.contract_id = d.contract_id;
