-- The working tables of a fold. They keep their rows at the end of the transaction: emptying them there would take
-- longer than a small fold, and Postgres would plan every statement of the next one again. So a fold empties them first.

-- name: create_working_tables()#
-- On every connection that folds. `batch_worklogs`: the worklogs to attribute, with the cause and its position in the
-- log. `deltas`: what is subtracted from totals and added to them, and why. `affected_person_days`: the days of persons
-- that are rated again. `closed_periods`: the periods that were closed before.
CREATE TEMPORARY TABLE IF NOT EXISTS batch_worklogs (
  batch bigint, record_offset bigint, cause text, source text NOT NULL, worklog_id text NOT NULL,
  issue_id text NOT NULL, author_id text, team_ref text, started_at timestamptz, seconds integer,
  deleted boolean NOT NULL, changed_at timestamptz NOT NULL
);
CREATE TEMPORARY TABLE IF NOT EXISTS deltas (
  contract_id uuid, account_id uuid, team_id uuid, period_start date, day date, reason text,
  -- The planner takes half of the rows of a boolean column to be true, but hardly any of a column without statistics
  -- to be null.
  counts boolean NOT NULL GENERATED ALWAYS AS (reason IS NULL) STORED,
  author_id text, seconds bigint NOT NULL, amount numeric NOT NULL, unrated_seconds bigint NOT NULL,
  worklog_count integer NOT NULL, cause text NOT NULL, batch bigint, record_offset bigint
);
CREATE TEMPORARY TABLE IF NOT EXISTS affected_person_days (
  contract_id uuid, author_id text, day date, cause text NOT NULL, batch bigint, record_offset bigint,
  PRIMARY KEY (contract_id, author_id, day)
);
CREATE TEMPORARY TABLE IF NOT EXISTS closed_periods (
  contract_id uuid, period_start date, period_end date NOT NULL, scale_divisor smallint NOT NULL,
  PRIMARY KEY (contract_id, period_start)
);

-- name: clear_deltas()!
-- Removes what an earlier step of the same transaction left.
WITH cleared_person_days AS (DELETE FROM affected_person_days),
cleared_periods AS (DELETE FROM closed_periods)
DELETE FROM deltas;

-- name: working_tables_size()$
-- In bytes, rows included that were deleted.
SELECT pg_relation_size('batch_worklogs') + pg_relation_size('deltas');

-- name: truncate_working_tables()#
-- The same where much was deleted, which each statement would read again, or much will be inserted, which needs other
-- plans than a few rows do.
TRUNCATE affected_person_days, closed_periods, deltas, batch_worklogs;

-- name: clear_batch_worklogs()!
DELETE FROM batch_worklogs;
