-- tables take the standard names; a database made before has the old ones
-- depends: shared_0003_tokens

-- migrate: apply

ALTER TABLE IF EXISTS reporting.progress RENAME TO consumer_offsets;
ALTER TABLE IF EXISTS progress RENAME TO consumer_offsets;
ALTER TABLE IF EXISTS answers RENAME TO idempotency_keys;

-- migrate: rollback

-- The migrations before make the tables by these names.
