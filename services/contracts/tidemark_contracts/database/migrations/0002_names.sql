-- functions, constraints and indexes take standard names

-- Defined in database/functions: a function's parameters cannot be renamed.
DROP FUNCTION holds;
ALTER FUNCTION refuse_to_rewrite RENAME TO reject_event_change;

ALTER TABLE directory RENAME CONSTRAINT named_by_card TO directory_team_id_fkey;
ALTER INDEX directory_listed RENAME TO directory_kind_name_id_idx;
ALTER INDEX directory_of_team RENAME TO directory_team_id_idx;
ALTER INDEX card_is_unique RENAME TO directory_rate_card_key;
ALTER TABLE contracts RENAME CONSTRAINT code_is_unique TO contracts_code_key;
ALTER INDEX contracts_ending RENAME TO contracts_ends_at_idx;
ALTER TABLE contract_references RENAME CONSTRAINT referred_to TO contract_references_entity_id_fkey;
ALTER INDEX contract_references_to RENAME TO contract_references_entity_id_idx;

COMMENT ON TABLE events IS 'The event streams of all contracts, append-only. The other tables are derived from them.';
COMMENT ON TABLE directory IS 'Organizations, teams and rate cards.';
COMMENT ON COLUMN directory.name IS 'The sort key of lists: the name, or the person and first day of a rate card.';
COMMENT ON COLUMN directory.team_id IS 'The team of a rate card; it cannot be deleted.';
COMMENT ON TABLE contracts IS
'The read model: the current state of each contract, written with its events. A discarded draft has no row.';
COMMENT ON COLUMN contracts.ends_at IS 'The first instant after the end date, in the contract''s time zone.';
COMMENT ON TABLE contract_references IS
'The organization and the teams that each contract refers to; they cannot be deleted.';
