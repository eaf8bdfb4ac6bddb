-- What consumers append. No lock but the partition's row in `consumer_offsets`, which the consumer holds.

-- name: open_batch(cluster, topic, partition, log, first_offset, record_count, correlation_id)$
INSERT INTO batches (cluster, topic, partition, log, first_offset, record_count, correlation_id)
VALUES (:cluster, :topic, :partition, :log, :first_offset, :record_count, :correlation_id)
RETURNING batch;

-- name: check_terms(contracts, accounts, account_teams, adjustments)!
-- The fold's own conversions, and the time zone as Postgres knows it.
SELECT
  (SELECT count(c) + count(now() AT TIME ZONE c.timezone) FROM jsonb_populate_recordset(NULL::contracts, :contracts::jsonb) AS c),
  (SELECT count(a) FROM jsonb_populate_recordset(NULL::accounts, :accounts::jsonb) AS a),
  (SELECT count(t) FROM jsonb_populate_recordset(NULL::account_teams, :account_teams::jsonb) AS t),
  (SELECT count(j) FROM jsonb_populate_recordset(NULL::adjustments, :adjustments::jsonb) AS j);

-- name: append_contracts(batch, offsets, ids, versions, events)!
INSERT INTO contract_log (batch, record_offset, contract_id, stream_version, code, event)
SELECT :batch, record_offset, contract_id, stream_version, event -> 'terms' ->> 'code', event
FROM unnest(:offsets::bigint [], :ids::uuid [], :versions::integer [], :events::jsonb [])
  AS e (record_offset, contract_id, stream_version, event);

-- name: append_directory(batch, offsets, ids, versions, types, events)!
INSERT INTO directory_log (batch, record_offset, entity_id, version, type, event)
SELECT :batch, record_offset, entity_id, version, type, event
FROM unnest(:offsets::bigint [], :ids::uuid [], :versions::integer [], :types::text [], :events::jsonb [])
  AS e (record_offset, entity_id, version, type, event);

-- name: wake_projector(channel)!
SELECT pg_notify(:channel, '');
