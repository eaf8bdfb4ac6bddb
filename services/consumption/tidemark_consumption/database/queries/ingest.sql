-- What consumers append. The only lock is the row of the partition in `consumer_offsets`, which the consumer holds.

-- name: insert_batch(cluster, topic, partition, log, first_offset, record_count, published_at, correlation_id, traceparent)$
INSERT INTO batches (
  cluster, topic, partition, log, first_offset, record_count, published_at, correlation_id, traceparent
)
VALUES (
  :cluster, :topic, :partition, :log, :first_offset, :record_count, :published_at, :correlation_id, :traceparent
)
RETURNING batch;

-- name: check_terms(contracts, accounts, account_teams, adjustments)!
-- The conversions that the fold will do, and whether Postgres knows the time zone.
SELECT
  (
    SELECT count(contract) + count(now() AT TIME ZONE contract.timezone)
    FROM jsonb_populate_recordset(NULL::contracts, :contracts::jsonb) AS contract
  ),
  (SELECT count(account) FROM jsonb_populate_recordset(NULL::accounts, :accounts::jsonb) AS account),
  (SELECT count(team) FROM jsonb_populate_recordset(NULL::account_teams, :account_teams::jsonb) AS team),
  (
    SELECT count(adjustment)
    FROM jsonb_populate_recordset(NULL::adjustments, :adjustments::jsonb) AS adjustment
  );

-- name: logged_contract_versions(ids, versions)
-- Of these versions of contracts, those that were read before, and when each was decided.
SELECT DISTINCT ON (contract_id, stream_version)
  contract_id, stream_version, (logged.event ->> 'occurred_at')::timestamptz AS occurred_at
FROM unnest(:ids::uuid[], :versions::integer[]) AS published (contract_id, stream_version)
JOIN contract_log AS logged USING (contract_id, stream_version)
ORDER BY contract_id, stream_version, batch, record_offset;

-- name: logged_entity_versions(ids, versions)
-- Of these versions of entities of the directory, those that were read before, as they were.
SELECT DISTINCT ON (entity_id, version) entity_id, version, logged.event
FROM unnest(:ids::uuid[], :versions::integer[]) AS published (entity_id, version)
JOIN directory_log AS logged USING (entity_id, version)
ORDER BY entity_id, version, batch, record_offset;

-- name: append_contracts(batch, offsets, ids, versions, events)!
INSERT INTO contract_log (batch, record_offset, contract_id, stream_version, code, event)
SELECT :batch, record_offset, contract_id, stream_version, event -> 'terms' ->> 'code', event
FROM unnest(:offsets::bigint[], :ids::uuid[], :versions::integer[], :events::jsonb[])
  AS change (record_offset, contract_id, stream_version, event);

-- name: append_directory(batch, offsets, ids, versions, types, events)!
INSERT INTO directory_log (batch, record_offset, entity_id, version, type, event)
SELECT :batch, record_offset, entity_id, version, type, event
FROM unnest(:offsets::bigint[], :ids::uuid[], :versions::integer[], :types::text[], :events::jsonb[])
  AS change (record_offset, entity_id, version, type, event);
