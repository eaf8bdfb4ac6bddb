-- What waits, and the last comparison of figures and facts.

-- name: queues()
SELECT 'unfolded_records' AS name, coalesce(sum(record_count), 0)::bigint AS length, min(appended_at) AS oldest_at
FROM batches
WHERE learned_at IS NULL
UNION ALL
-- A revision is at least the time of its change.
SELECT 'unpublished_balances', count(*), to_timestamp(min(balance.revision) / 1000000.0)
FROM balances AS balance
JOIN contracts AS contract USING (contract_id)
WHERE balance.revision > balance.published_revision AND contract.status IS NOT NULL;

-- name: save_verification(difference_count)!
-- In the transaction that compares, which began when the comparison did.
INSERT INTO verifications (started_at, finished_at, row_count, difference_count)
SELECT now(), clock_timestamp(), sum(count_rows(relation)), :difference_count
FROM unnest(projection_tables()) AS relation;

-- name: last_verification()^
SELECT started_at, finished_at, row_count, difference_count
FROM verifications
ORDER BY id DESC
LIMIT 1;
