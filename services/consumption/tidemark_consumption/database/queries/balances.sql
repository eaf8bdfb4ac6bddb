-- The outbox of balances.

-- name: dirty_balances(excluded, limit)
-- The contracts whose balance changed since it was last published, those that have waited longest first: so contracts
-- that change all the time never keep another one waiting.
SELECT balance.contract_id
FROM balances AS balance
JOIN contracts AS contract USING (contract_id)
WHERE balance.revision > balance.published_revision AND contract.status IS NOT NULL
  AND balance.contract_id <> ALL(:excluded::uuid[])
  -- While a backlog is folded, a balance changes again soon: it is published only every few seconds.
  AND (
    balance.published_at < now() - interval '5 seconds'
    OR (SELECT coalesce(sum(record_count), 0) FROM batches WHERE learned_at IS NULL) < 20000
  )
ORDER BY balance.published_at, balance.contract_id
LIMIT :limit;

-- name: balance_to_publish(contract, moment)^
-- The previous and the current period (SPEC 4), and the revision of these figures.
SELECT
  balance.revision, balance.correlation_id, balance.traceparent,
  balance(balance.contract_id, :moment, FALSE)::text AS body,
  contract.end_date, (:moment::timestamptz AT TIME ZONE contract.timezone)::date AS today
FROM balances AS balance
JOIN contracts AS contract USING (contract_id)
WHERE balance.contract_id = :contract;

-- name: oldest_dirty_balance(failing)^
-- The balance that has waited longest since its last change, and for how many seconds: a revision is at least the time
-- of its change. Those that fail come first.
SELECT
  balance.contract_id, 'the balance of contract ' || contract.code AS name,
  extract(EPOCH FROM clock_timestamp() - to_timestamp(balance.revision / 1000000.0))::float AS seconds
FROM balances AS balance
JOIN contracts AS contract USING (contract_id)
WHERE balance.revision > balance.published_revision AND contract.status IS NOT NULL
ORDER BY balance.contract_id = ANY(:failing::uuid[]) DESC, balance.revision
LIMIT 1;

-- name: mark_published(ids, revisions)!
-- A row that the fold has locked will be published again anyway. It is skipped, so that the two never wait for each
-- other.
UPDATE balances AS balance
SET published_revision = published.revision, published_at = now()
FROM (
  SELECT balance.contract_id, publication.revision
  FROM unnest(:ids::uuid[], :revisions::bigint[]) AS publication (contract_id, revision)
  JOIN balances AS balance USING (contract_id)
  FOR UPDATE OF balance SKIP LOCKED
) AS published
WHERE balance.contract_id = published.contract_id;

-- name: save_published(rows)!
-- Balances as they are published. What is published twice, or by two relays, is the same or newer.
INSERT INTO published_balances AS published (contract_id, attention, urgency, body)
SELECT contract_id, attention, urgency, body
FROM jsonb_populate_recordset(NULL::published_balances, :rows::jsonb)
ON CONFLICT (contract_id) DO UPDATE
SET attention = excluded.attention, urgency = excluded.urgency, body = excluded.body
WHERE (excluded.body ->> 'revision')::bigint >= (published.body ->> 'revision')::bigint;

-- name: begin_days(now, correlation_id)!
-- Where a new day has begun in the time zone of the contract. Any number of instances can do this at the same time.
UPDATE balances AS balance
SET revision = balance.revision + 1, correlation_id = :correlation_id, traceparent = NULL, day = local.day
FROM (
  SELECT balance.contract_id, (:now::timestamptz AT TIME ZONE contract.timezone)::date AS day
  FROM balances AS balance
  JOIN contracts AS contract USING (contract_id)
  WHERE contract.status = 'ACTIVE' AND balance.day < (:now::timestamptz AT TIME ZONE contract.timezone)::date
  FOR UPDATE OF balance SKIP LOCKED
) AS local
WHERE balance.contract_id = local.contract_id;

-- name: mark_dirty(correlation_id, traceparent)!
-- The balances that the deltas change are published.
UPDATE balances
SET revision = revision + 1, correlation_id = :correlation_id, traceparent = :traceparent, updated_at = now()
WHERE contract_id IN (SELECT contract_id FROM deltas);

-- name: mark_contracts_dirty(ids, moment, correlation_id, traceparent)!
-- The terms of a contract are part of its balance, so a change of them is published as a change of work is.
INSERT INTO balances AS balance (contract_id, day, correlation_id, traceparent)
SELECT contract_id, (:moment::timestamptz AT TIME ZONE timezone)::date, :correlation_id, :traceparent
FROM contracts
WHERE contract_id = ANY(:ids::uuid[])
ON CONFLICT (contract_id) DO UPDATE
SET
  revision = balance.revision + 1, correlation_id = excluded.correlation_id, traceparent = excluded.traceparent,
  updated_at = now();

-- name: mark_all_dirty(correlation_id)!
SELECT mark_all_dirty(:correlation_id);

-- name: analyze_figures()#
-- After a large change, so that the planner knows the new sizes: autovacuum notices within a minute at best.
ANALYZE contracts, accounts, account_teams, periods, adjustments, account_team_totals, daily_totals,
unaccounted_totals, balances;
