-- Batches in the logs: which wait to be folded, and when they were learned.

-- name: begin_fold(now)$
-- Locks the row of the projector until the transaction ends. Gives the moment at which the following facts are
-- learned: later than every earlier fold, and than every moment that was queried. Null where no batch waits, and while
-- another process folds.
WITH unlocked AS MATERIALIZED (
  SELECT singleton FROM projection
  WHERE EXISTS (SELECT FROM batches WHERE learned_at IS NULL)
  FOR UPDATE SKIP LOCKED
)
UPDATE projection
SET learned_at = greatest(:now, projection.learned_at + interval '1 microsecond')
FROM unlocked
WHERE projection.singleton = unlocked.singleton
RETURNING projection.learned_at;

-- name: waiting_batches(max_records, held_back)
-- Batches to fold, in the order appended, up to a number of records; the first batch whatever its size.
SELECT batch, log, record_count, correlation_id, published_at, traceparent
FROM (
  SELECT
    batch, log, record_count, correlation_id, published_at, traceparent,
    sum(record_count) OVER (ORDER BY batch) AS total
  FROM batches
  WHERE learned_at IS NULL AND batch <> ALL(:held_back::bigint[])
) AS waiting
WHERE total - record_count < :max_records
ORDER BY batch;

-- name: unfolded_batches(batches)
SELECT batch FROM batches
WHERE batch = ANY(:batches::bigint[]) AND learned_at IS NULL;

-- name: backlog(now, failing)^
-- How many records wait to be folded, and how many seconds the oldest has waited.
SELECT sum(record_count) AS records, extract(EPOCH FROM :now - min(appended_at))::float AS seconds
FROM batches
WHERE learned_at IS NULL AND batch <> ALL(:failing::bigint[])
HAVING count(*) > 0;

-- name: has_waiting_batches(last_batch)$
-- Whether batches up to this one wait to be folded.
SELECT exists(SELECT FROM batches WHERE learned_at IS NULL AND batch <= :last_batch);

-- name: last_batch()$
SELECT max(batch) FROM batches;

-- name: last_fold()$
-- Grows with each fold.
SELECT learned_at FROM projection;

-- name: has_waiting_contracts()$
-- Whether events of contracts wait to be folded.
SELECT exists(SELECT FROM batches WHERE learned_at IS NULL AND log = 'contracts');

-- name: mark_folded(batches, learned_at)!
UPDATE batches SET learned_at = :learned_at
WHERE batch = ANY(:batches::bigint[]);
