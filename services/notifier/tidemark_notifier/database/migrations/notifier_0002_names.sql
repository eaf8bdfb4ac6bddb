-- tables and columns take standard names; stored rules take the present option names

UPDATE rules SET
  body = body - 'tell_resolved' || jsonb_build_object(
    'notify_resolved', coalesce(body -> 'tell_resolved', 'false'),
    'existing', CASE WHEN body ->> 'existing' = 'skip' THEN 'skip' ELSE 'notify' END
  )
WHERE NOT body ? 'notify_resolved';

ALTER TABLE told RENAME TO notification_keys;
ALTER TABLE notification_keys RENAME COLUMN again TO generation;
ALTER TABLE notification_keys RENAME COLUMN occasion TO kind;
ALTER TABLE notification_keys RENAME COLUMN told_on TO notified_on;
ALTER INDEX IF EXISTS told_contract_id_rule_name_trigger_subject_subject_id_perio_key
RENAME TO notification_keys_unique;
COMMENT ON TABLE notification_keys IS
'The deduplication keys of all notifications. notification_id is null where a rule with existing: skip raised none.';
COMMENT ON COLUMN notification_keys.episode IS 'The planned amount, end date or stream version that was evaluated.';
COMMENT ON COLUMN notification_keys.generation IS
'The number of earlier resolution notifications for this threshold: each starts a new episode.';
COMMENT ON COLUMN notification_keys.kind IS 'crossing, resolved, or reminder followed by its day.';
COMMENT ON COLUMN notification_keys.notified_on IS 'The day of the notification, in the contract''s time zone.';

ALTER TABLE sweeps RENAME TO reevaluations;
ALTER TABLE reevaluations RENAME COLUMN after TO last_contract_id;
ALTER INDEX sweeps_pkey RENAME TO reevaluations_pkey;
ALTER INDEX sweeps_waiting RENAME TO reevaluations_waiting;
COMMENT ON TABLE reevaluations IS
'Scopes whose contracts must be evaluated again because a rule or an organization changed.';
COMMENT ON COLUMN reevaluations.scope_id IS 'A contract, or an organization with all its contracts; null for all.';
COMMENT ON COLUMN reevaluations.last_contract_id IS
'The last contract evaluated, in the order of ids; null before the first.';

ALTER TABLE contracts RENAME COLUMN changes TO status_changes;
ALTER TABLE contracts RENAME COLUMN revision TO balance_revision;
ALTER TABLE contracts RENAME COLUMN skipped TO skipped_rule_versions;
ALTER TABLE contracts RENAME COLUMN due_at TO next_evaluation_at;
ALTER INDEX contracts_due RENAME TO contracts_next_evaluation;
COMMENT ON TABLE contracts IS
'The newest terms and the newest balance of each contract, in one row, so that one lock covers both.';
COMMENT ON COLUMN contracts.plan_version IS
'The stream version that last changed the plan; 0 if none did. A balance for an older version is not evaluated.';
COMMENT ON COLUMN contracts.status_changes IS
'[[stream version, status], …]: the last status that was evaluated and all later ones, oldest first.';
COMMENT ON COLUMN contracts.skipped_rule_versions IS
'Rules with existing: skip that have skipped earlier crossings: {rule id: version}; null before the first evaluation.';
COMMENT ON COLUMN contracts.next_evaluation_at IS
'When to evaluate the contract again because time has passed; null if time alone changes nothing.';

COMMENT ON TABLE rules IS 'Notification rules, as clients send them.';
COMMENT ON TABLE directory IS 'The newest version of each organization and team, from contracts.directory.';
COMMENT ON TABLE notifications IS 'Notifications, each with a frozen copy of the figures it was raised for.';
COMMENT ON TABLE deliveries IS 'One mail or one webhook call to one receiver.';
COMMENT ON COLUMN deliveries.addressee IS
'The receiver as resolved when the rule fired; for a webhook with its secret.';
COMMENT ON COLUMN deliveries.due_at IS 'No attempt starts before this time: failed attempts are spaced out.';
COMMENT ON COLUMN deliveries.leased_until IS
'Until this time the delivery belongs to the process that is sending it; after it another process may take over.';
