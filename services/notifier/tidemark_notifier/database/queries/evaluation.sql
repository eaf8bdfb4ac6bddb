-- name: lock_configuration_shared()!
-- Taken by every transaction that stores or evaluates contracts. See lock_configuration.
LOCK TABLE configuration_lock IN ROW SHARE MODE;

-- name: lock_configuration()!
-- Rules and the directory change under an exclusive lock. Without it a new rule would miss a balance that is being
-- stored, and that balance would miss the new rule, so that neither would raise the notification.
LOCK TABLE configuration_lock IN EXCLUSIVE MODE;

-- name: current_time()$
-- The database's clock, which all instances share.
SELECT clock_timestamp();

-- name: contracts_due(now, max_count)
-- Contracts that another instance is evaluating are left out.
SELECT id FROM contracts WHERE next_evaluation_at <= :now
ORDER BY id
LIMIT :max_count
FOR UPDATE SKIP LOCKED;

-- name: lock_contracts(ids)
SELECT id FROM contracts WHERE id = ANY(:ids::uuid[]) ORDER BY id FOR UPDATE;

-- name: evaluation_inputs(contract_ids)
-- Contracts without terms or without their organization are left out: they cannot be evaluated yet. The balance is
-- awaited until `awaited_until`, null if there is one for the present version.
SELECT
  c.id, c.stream_version, c.plan_version, c.balance_stream_version, c.status_changes::text AS status_changes,
  c.terms::text AS terms, c.balance::text AS balance, c.skipped_rule_versions::text AS skipped_rule_versions,
  c.closed_periods::text AS closed_periods, c.restatements::text AS restatements, c.restated_since, c.restated_at,
  c.next_evaluation_at, d.body::text AS organization,
  CASE WHEN coalesce(c.balance_stream_version, 0) < c.stream_version THEN c.balance_awaited_until END AS awaited_until
FROM contracts AS c
JOIN directory AS d ON d.id = c.organization_id
WHERE c.id = ANY(:contract_ids::uuid[])
ORDER BY c.id;

-- name: update_evaluated(ids, status_changes, skipped_rule_versions, next_evaluations)!
UPDATE contracts AS c
SET status_changes = n.status_changes, skipped_rule_versions = n.skipped_rule_versions,
  next_evaluation_at = n.next_evaluation_at
FROM unnest(
  :ids::uuid[], :status_changes::jsonb[], :skipped_rule_versions::jsonb[], :next_evaluations::timestamptz[]
) AS n (id, status_changes, skipped_rule_versions, next_evaluation_at)
WHERE c.id = n.id;

-- name: keep_newest_closed_period(ids)!
-- The others have been evaluated.
UPDATE contracts SET closed_periods = jsonb_build_array(closed_periods -> -1)
WHERE id = ANY(:ids::uuid[]) AND jsonb_array_length(closed_periods) > 1;

-- name: clear_restatements(ids)!
-- They have been evaluated.
UPDATE contracts SET restatements = '[]', restated_since = NULL, restated_at = NULL
WHERE id = ANY(:ids::uuid[]);

-- name: request_reevaluation(scope_ids)!
-- Schedules the contracts of these scopes; a null scope means all contracts. The caller holds lock_configuration, so a
-- re-evaluation that is still waiting has certainly not started.
INSERT INTO reevaluations (scope_id)
SELECT DISTINCT s.id FROM unnest(:scope_ids::uuid[]) AS s (id)
WHERE s.id IS NULL OR EXISTS (SELECT FROM contracts AS c WHERE s.id IN (c.id, c.organization_id))
ON CONFLICT DO NOTHING;

-- name: next_reevaluation()^
SELECT id, scope_id, last_contract_id FROM reevaluations ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED;

-- name: advance_reevaluation(id, last_contract_id)!
UPDATE reevaluations SET last_contract_id = :last_contract_id WHERE id = :id;

-- name: finish_reevaluation(id)!
DELETE FROM reevaluations WHERE id = :id;
