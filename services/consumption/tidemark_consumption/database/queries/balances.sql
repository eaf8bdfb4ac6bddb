-- The outbox of balances.

-- name: unpublished(excluded, limit)
-- The contracts whose balance changed since it was last published; whoever waited longest first, so that many that
-- change all the time leave none behind.
SELECT b.contract_id
FROM balances AS b
JOIN contracts AS c USING (contract_id)
WHERE b.revision > b.published AND c.status IS NOT NULL AND b.contract_id <> ALL(:excluded::uuid [])
  -- While a backlog is folded, a balance is about to change again: it is published every few seconds.
  AND (
    b.published_at < now() - interval '5 seconds'
    OR (SELECT coalesce(sum(record_count), 0) FROM batches WHERE learned_at IS NULL) < 20000
  )
ORDER BY b.published_at, b.contract_id
LIMIT :limit;

-- name: balance_to_publish(contract, moment)^
-- The previous and the current period (SPEC 4), and the revision that these figures are of.
SELECT b.revision, b.correlation_id, balance(b.contract_id, :moment, FALSE)::text AS body
FROM balances AS b
WHERE b.contract_id = :contract;

-- name: published(ids, revisions)!
-- A row that the fold holds is about to be published again anyway. It is left out, so that the two never wait for each
-- other.
UPDATE balances AS b
SET published = p.revision, published_at = now()
FROM (
  SELECT b.contract_id, p.revision
  FROM unnest(:ids::uuid [], :revisions::bigint []) AS p (contract_id, revision)
  JOIN balances AS b USING (contract_id)
  FOR UPDATE OF b SKIP LOCKED
) AS p
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
  FOR UPDATE OF b SKIP LOCKED
) AS d
WHERE b.contract_id = d.contract_id;

-- name: analyze_figures#
-- After a large change, before the planner is asked for anything: autovacuum notices within a minute at best.
ANALYZE contracts, accounts, account_teams, periods, adjustments, shares, days, unaccounted, balances;
