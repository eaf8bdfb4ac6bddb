-- tables take the standard names; a database made before has the old ones

ALTER TABLE IF EXISTS reporting.progress RENAME TO consumer_offsets;
ALTER TABLE IF EXISTS progress RENAME TO consumer_offsets;
ALTER TABLE IF EXISTS answers RENAME TO idempotency_keys;
