-- One row for each change of a contract's status, in the order of its events.
CREATE OR REPLACE VIEW reporting.contract_status_changes AS
SELECT
  event.contract_id, event.code AS contract_code, event.version AS stream_version, event.previous_status, event.status,
  event.actor, event.reason, event.occurred_at
FROM (
  SELECT
    contract_id, version, actor, reason, occurred_at, data ->> 'status' AS status,
    lag(data ->> 'status') OVER stream AS previous_status,
    -- A code never changes, so that of the first event is the code of all.
    first_value(data -> 'terms' ->> 'code') OVER stream AS code
  FROM events
  WINDOW stream AS (PARTITION BY contract_id ORDER BY version)
) AS event
WHERE event.status IS DISTINCT FROM event.previous_status;
COMMENT ON VIEW reporting.contract_status_changes IS
'One row for each change of the status of a contract: when, who and why.';
COMMENT ON COLUMN reporting.contract_status_changes.contract_id IS 'Id of the contract.';
COMMENT ON COLUMN reporting.contract_status_changes.contract_code IS 'Code of the contract, for people; never changes.';
COMMENT ON COLUMN reporting.contract_status_changes.stream_version IS
'Version of the contract that the change made; they grow by one with every change of the contract.';
COMMENT ON COLUMN reporting.contract_status_changes.previous_status IS
'Status before; null where the contract was drafted.';
COMMENT ON COLUMN reporting.contract_status_changes.status IS 'Status since; null where the draft was discarded.';
COMMENT ON COLUMN reporting.contract_status_changes.actor IS
'Name of the token that changed it; tidemark where a contract expired by itself.';
COMMENT ON COLUMN reporting.contract_status_changes.reason IS 'Why, as the actor said; null where none was asked for.';
COMMENT ON COLUMN reporting.contract_status_changes.occurred_at IS 'When the status changed.';
