-- The fold of logged facts, in the order in which projection/fold.py calls it, in one transaction. There is one writer
-- a database: it holds the row of `projection`, so nothing here is locked.

-- name: prepare_session#
-- Working sets of one transaction, on every connection that folds. `batch_worklogs`: the worklogs to attribute, with
-- the position in the log of what causes it. `attributed`: the same with what they count towards. `deltas`: what is
-- taken from totals and what is added, and why. `affected_person_days`: whose work of a day is rated again. `closed`:
-- the periods that were closed before.
CREATE TEMPORARY TABLE IF NOT EXISTS batch_worklogs (
  batch bigint, record_offset bigint, cause text, source text NOT NULL, worklog_id text NOT NULL,
  issue_id text NOT NULL, author_id text, team_ref text, started_at timestamptz, seconds integer,
  deleted boolean NOT NULL, changed_at timestamptz NOT NULL
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS deltas (
  contract_id uuid, account_id uuid, team_id uuid, period_start date, day date, reason text,
  -- The planner takes half of a boolean's rows to be true; of a column without statistics it takes hardly any for null.
  counts boolean NOT NULL GENERATED ALWAYS AS (reason IS NULL) STORED,
  author_id text, seconds bigint NOT NULL, amount numeric NOT NULL, unrated_seconds bigint NOT NULL, worklogs integer NOT NULL,
  cause text NOT NULL, batch bigint, record_offset bigint
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS affected_person_days (
  contract_id uuid, author_id text, day date, cause text NOT NULL, batch bigint, record_offset bigint,
  PRIMARY KEY (contract_id, author_id, day)
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS closed (
  contract_id uuid, period_start date, period_end date NOT NULL, per_shown smallint NOT NULL,
  PRIMARY KEY (contract_id, period_start)
) ON COMMIT DELETE ROWS;
-- What each worklog counts towards, and why it does not count where it does not: SPEC W1, W4, W5. What many worklogs
-- share is worked out once: the terms of an issue, a person's team on a day, the period of a day.
CREATE OR REPLACE TEMPORARY VIEW attributed AS
WITH linked_issues AS MATERIALIZED (
  SELECT
    i.source, i.issue_id, i.contract_ref, c.contract_id, c.status, c.per_shown, c.timezone, a.account_id,
    CASE WHEN c.per_shown <> 1 THEN (i.created_at AT TIME ZONE c.timezone)::date END AS issue_day
  FROM (SELECT DISTINCT source, issue_id FROM batch_worklogs WHERE NOT deleted) AS b
  JOIN issues AS i USING (source, issue_id)
  LEFT JOIN contract_refs AS r ON r.ref = i.contract_ref
  LEFT JOIN contracts AS c ON c.contract_id = r.contract_id
  LEFT JOIN account_refs AS f ON f.contract_id = c.contract_id AND f.ref = i.account_ref
  LEFT JOIN accounts AS a ON a.contract_id = f.contract_id AND a.account_id = f.account_id
),
linked AS MATERIALIZED (
  SELECT
    w.*, i.contract_ref, i.contract_id, i.status, i.account_id, d.day,
    -- The governing date (SPEC W1): of the work, or of the issue.
    CASE i.per_shown WHEN 1 THEN d.day ELSE i.issue_day END AS governing_day
  FROM batch_worklogs AS w
  LEFT JOIN linked_issues AS i ON i.source = w.source AND i.issue_id = w.issue_id AND NOT w.deleted
  CROSS JOIN LATERAL (SELECT (w.started_at AT TIME ZONE i.timezone)::date AS day) AS d
),
person_teams AS MATERIALIZED (
  SELECT DISTINCT ON (l.contract_id, l.account_id, l.author_id, l.day)
    l.contract_id, l.account_id, l.author_id, l.day, t.team_id
  FROM (SELECT DISTINCT contract_id, account_id, author_id, day FROM linked WHERE account_id IS NOT NULL) AS l
  JOIN account_teams AS t ON t.contract_id = l.contract_id AND t.account_id = l.account_id
  JOIN memberships AS m
    ON m.team_id = t.team_id AND m.person_id = l.author_id AND l.day BETWEEN m.first_day AND m.last_day
  ORDER BY l.contract_id, l.account_id, l.author_id, l.day, t.position
),
governing_periods AS MATERIALIZED (
  SELECT l.contract_id, l.governing_day, p.period_start
  FROM (SELECT DISTINCT contract_id, governing_day FROM linked) AS l
  JOIN periods AS p ON p.contract_id = l.contract_id AND l.governing_day BETWEEN p.period_start AND p.period_end
)
SELECT
  l.batch, l.record_offset, l.cause, l.source, l.worklog_id, l.issue_id, l.author_id, l.team_ref, l.started_at,
  l.seconds, l.deleted, l.changed_at, l.contract_id, l.account_id,
  CASE WHEN p.period_start IS NOT NULL THEN coalesce(own.team_id, t.team_id) END AS team_id,
  p.period_start,
  l.day,
  CASE
    WHEN l.deleted THEN NULL
    WHEN l.contract_ref IS NULL THEN 'issue_not_linked'
    WHEN l.contract_id IS NULL THEN 'contract_unknown'
    WHEN l.account_id IS NULL THEN 'account_unknown'
    WHEN l.status = 'DRAFT' THEN 'contract_draft'
    WHEN l.status = 'INACTIVE' THEN 'contract_inactive'
    WHEN p.period_start IS NULL THEN 'outside_dates'
  END AS reason
FROM linked AS l
LEFT JOIN account_teams AS own
  ON own.contract_id = l.contract_id AND own.account_id = l.account_id AND own.team_id::text = l.team_ref
LEFT JOIN person_teams AS t
  ON t.contract_id = l.contract_id AND t.account_id = l.account_id AND t.author_id = l.author_id AND t.day = l.day
LEFT JOIN governing_periods AS p ON p.contract_id = l.contract_id AND p.governing_day = l.governing_day;

-- name: begin_fold(now)$
-- The moment at which what follows is learned: later than every fold before, and than every moment that was asked
-- for. Null where nothing waits, and while another process folds: the row is its until it commits.
WITH free AS MATERIALIZED (
  SELECT singleton FROM projection
  WHERE EXISTS (SELECT FROM batches WHERE learned_at IS NULL)
  FOR UPDATE SKIP LOCKED
)
UPDATE projection AS p
SET learned_at = greatest(:now, p.learned_at + interval '1 microsecond')
FROM free
WHERE p.singleton = free.singleton
RETURNING p.learned_at;

-- name: waiting_batches(most, held_back)
-- Batches to fold, in the order appended, until they hold enough records; the first whatever it holds.
SELECT batch, log, record_count, correlation_id
FROM (
  SELECT batch, log, record_count, correlation_id, sum(record_count) OVER (ORDER BY batch) AS total
  FROM batches
  WHERE learned_at IS NULL AND batch <> ALL(:held_back::bigint [])
) AS waiting
WHERE total - record_count < :most
ORDER BY batch;

-- name: unfolded(batches)
SELECT batch FROM batches
WHERE batch = ANY(:batches::bigint []) AND learned_at IS NULL;

-- name: oldest_waiting(now, failing)^
-- How many records wait to be folded, and for how many seconds the oldest has.
SELECT sum(record_count) AS records, extract(EPOCH FROM :now - min(appended_at))::float AS seconds
FROM batches
WHERE learned_at IS NULL AND batch <> ALL(:failing::bigint [])
HAVING count(*) > 0;

-- name: mark_folded(batches, learned_at)!
UPDATE batches SET learned_at = :learned_at
WHERE batch = ANY(:batches::bigint []);

-- name: clear_deltas!
-- Of what was folded before in the same transaction.
WITH a AS (DELETE FROM affected_person_days),
c AS (DELETE FROM closed)
DELETE FROM deltas;

-- name: clear_waves#
-- The same where there may be many waves: deleted rows would be read again by each later one.
TRUNCATE affected_person_days, closed, deltas, batch_worklogs;

-- name: clear_batch_worklogs!
DELETE FROM batch_worklogs;

-- name: backdated_facts(batches, moment)
SELECT * FROM backdated_facts(:batches, :moment);

-- name: link_issues(batches, first_batch, first_offset, end_batch, end_offset)^
-- The last writer of each link. Gives the issues whose link changed, and the record that did it.
WITH linked AS (
  INSERT INTO issues AS i (
    source, issue_id, contract_ref, account_ref, created_at, changed_at, batch, record_offset
  )
  SELECT DISTINCT ON (source, issue_id)
    source, issue_id, contract_ref, account_ref, created_at, changed_at, batch, record_offset
  FROM fact_log
  WHERE batch = ANY(:batches::bigint []) AND kind = 'linked'
    AND (batch, record_offset) >= (:first_batch, :first_offset) AND (batch, record_offset) < (:end_batch, :end_offset)
  ORDER BY source, issue_id, changed_at DESC, digest DESC, batch, record_offset
  ON CONFLICT (source, issue_id) DO UPDATE SET
    contract_ref = excluded.contract_ref, account_ref = excluded.account_ref, created_at = excluded.created_at,
    changed_at = excluded.changed_at, batch = excluded.batch, record_offset = excluded.record_offset
  WHERE excluded.changed_at > i.changed_at
    OR (
      excluded.changed_at = i.changed_at
      AND digest_of(excluded.batch, excluded.record_offset) > digest_of(i.batch, i.record_offset)
    )
  RETURNING
    i.source, i.issue_id, i.batch, i.record_offset,
    (old.contract_ref, old.account_ref, old.created_at)
      IS DISTINCT FROM (new.contract_ref, new.account_ref, new.created_at) AS is_moved
)
SELECT
  coalesce(array_agg(source), '{}') AS sources, coalesce(array_agg(issue_id), '{}') AS issues,
  coalesce(array_agg(batch), '{}') AS batches, coalesce(array_agg(record_offset), '{}') AS offsets
FROM linked
WHERE is_moved;

-- name: stage_facts(batches, first_batch, first_offset, end_batch, end_offset)!
-- The newest version of each worklog in the batches; of equal ones the first.
INSERT INTO batch_worklogs (
  batch, record_offset, source, worklog_id, issue_id, author_id, team_ref, started_at, seconds, deleted, changed_at
)
SELECT DISTINCT ON (source, worklog_id)
  batch, record_offset, source, worklog_id, issue_id, author_id, team_ref, started_at, seconds, kind = 'deleted',
  changed_at
FROM fact_log
WHERE batch = ANY(:batches::bigint []) AND kind <> 'linked'
  AND (batch, record_offset) >= (:first_batch, :first_offset) AND (batch, record_offset) < (:end_batch, :end_offset)
ORDER BY source, worklog_id, changed_at DESC, kind = 'deleted' DESC, digest DESC, batch, record_offset;

-- name: stage_issues(sources, issues, batches, offsets)!
-- The work on these issues.
INSERT INTO batch_worklogs (
  batch, record_offset, cause, source, worklog_id, issue_id, author_id, team_ref, started_at, seconds, deleted,
  changed_at
)
SELECT
  i.batch, i.record_offset, 'issue:' || i.source || '/' || i.issue_id, w.source, w.worklog_id, w.issue_id,
  w.author_id, w.team_ref, w.started_at, w.seconds, FALSE, w.changed_at
FROM unnest(:sources::text [], :issues::text [], :batches::bigint [], :offsets::bigint [])
  AS i (source, issue_id, batch, record_offset)
JOIN worklogs AS w ON w.source = i.source AND w.issue_id = i.issue_id
WHERE NOT w.deleted;

-- name: fold_worklogs!
-- The last writer of each worklog, with its attribution; what counted before and what counts now become deltas.
WITH folded AS (
  INSERT INTO worklogs AS w (
    source, worklog_id, issue_id, author_id, started_at, seconds, team_ref, deleted, changed_at, batch, record_offset,
    contract_id, account_id, team_id, period_start, day, reason
  )
  SELECT
    source, worklog_id, issue_id, author_id, started_at, seconds, team_ref, deleted, changed_at, batch, record_offset,
    contract_id, account_id, team_id, period_start, day, reason
  FROM attributed
  ON CONFLICT (source, worklog_id) DO UPDATE SET
    issue_id = excluded.issue_id, author_id = excluded.author_id, started_at = excluded.started_at,
    seconds = excluded.seconds, team_ref = excluded.team_ref, deleted = excluded.deleted,
    changed_at = excluded.changed_at, batch = excluded.batch, record_offset = excluded.record_offset,
    contract_id = excluded.contract_id, account_id = excluded.account_id, team_id = excluded.team_id,
    period_start = excluded.period_start, day = excluded.day, reason = excluded.reason
  WHERE (excluded.changed_at, excluded.deleted) > (w.changed_at, w.deleted)
    OR (
      (excluded.changed_at, excluded.deleted) = (w.changed_at, w.deleted)
      AND digest_of(excluded.batch, excluded.record_offset) > digest_of(w.batch, w.record_offset)
    )
  RETURNING
    old.contract_id AS old_contract_id, old.account_id AS old_account_id, old.team_id AS old_team_id,
    old.period_start AS old_period_start, old.day AS old_day, old.reason AS old_reason, old.author_id AS old_author_id,
    old.seconds AS old_seconds, NOT old.deleted AS counted_before, old.issue_id AS old_issue_id,
    old.batch AS old_batch, old.record_offset AS old_record_offset,
    new.source, new.worklog_id, new.contract_id, new.account_id, new.team_id, new.period_start, new.day, new.reason,
    new.author_id, new.seconds, new.deleted, new.batch, new.record_offset
),
former AS (
  INSERT INTO former_versions (source, worklog_id, issue_id, batch, record_offset)
  SELECT source, worklog_id, old_issue_id, old_batch, old_record_offset
  FROM folded
  WHERE old_batch IS NOT NULL
  ON CONFLICT DO NOTHING
)
INSERT INTO deltas (
  contract_id, account_id, team_id, period_start, day, reason, author_id, seconds, amount, unrated_seconds, worklogs,
  cause, batch, record_offset
)
SELECT
  old_contract_id, old_account_id, old_team_id, old_period_start, old_day, old_reason, old_author_id,
  -old_seconds, 0, 0, -1, 'worklog:' || source || '/' || worklog_id, batch, record_offset
FROM folded WHERE counted_before
UNION ALL
SELECT
  contract_id, account_id, team_id, period_start, day, reason, author_id,
  seconds, 0, 0, 1, 'worklog:' || source || '/' || worklog_id, batch, record_offset
FROM folded WHERE NOT deleted;

-- name: reattribute!
-- Work that is there already counts towards what it belongs to now.
WITH changed AS (
  UPDATE worklogs AS w
  SET contract_id = a.contract_id, account_id = a.account_id, team_id = a.team_id, period_start = a.period_start,
    day = a.day, reason = a.reason
  FROM attributed AS a
  WHERE w.source = a.source AND w.worklog_id = a.worklog_id
    AND (w.contract_id, w.account_id, w.team_id, w.period_start, w.day, w.reason)
      IS DISTINCT FROM (a.contract_id, a.account_id, a.team_id, a.period_start, a.day, a.reason)
  RETURNING
    old.contract_id AS old_contract_id, old.account_id AS old_account_id, old.team_id AS old_team_id,
    old.period_start AS old_period_start, old.day AS old_day, old.reason AS old_reason,
    new.contract_id, new.account_id, new.team_id, new.period_start, new.day, new.reason, new.author_id, new.seconds,
    a.cause, a.batch, a.record_offset
)
INSERT INTO deltas (
  contract_id, account_id, team_id, period_start, day, reason, author_id, seconds, amount, unrated_seconds, worklogs,
  cause, batch, record_offset
)
SELECT
  old_contract_id, old_account_id, old_team_id, old_period_start, old_day, old_reason, author_id,
  -seconds, 0, 0, -1, cause, batch, record_offset
FROM changed
UNION ALL
SELECT
  contract_id, account_id, team_id, period_start, day, reason, author_id, seconds, 0, 0, 1, cause, batch, record_offset
FROM changed;

-- name: add_up!
-- What counts, by day and then by period.
WITH daily AS MATERIALIZED (
  SELECT
    contract_id, account_id, team_id, period_start, day, sum(seconds) AS seconds, sum(amount) AS amount,
    sum(unrated_seconds) AS unrated_seconds, sum(worklogs) AS worklogs
  FROM deltas
  WHERE counts
  GROUP BY contract_id, account_id, team_id, period_start, day
),
days AS (
  INSERT INTO days AS d (
    contract_id, account_id, team_id, period_start, day, seconds, amount, unrated_seconds, worklogs
  )
  SELECT contract_id, account_id, team_id, period_start, day, seconds, amount, unrated_seconds, worklogs
  FROM daily
  WHERE (seconds, amount, unrated_seconds, worklogs) <> (0, 0, 0, 0)
  ON CONFLICT (contract_id, account_id, team_id, period_start, day) DO UPDATE SET
    seconds = d.seconds + excluded.seconds, amount = d.amount + excluded.amount,
    unrated_seconds = d.unrated_seconds + excluded.unrated_seconds, worklogs = d.worklogs + excluded.worklogs
)
INSERT INTO shares AS s (contract_id, account_id, team_id, period_start, seconds, amount, unrated_seconds, worklogs)
SELECT contract_id, account_id, team_id, period_start, seconds, amount, unrated_seconds, worklogs
FROM (
  SELECT
    contract_id, account_id, team_id, period_start, sum(seconds) AS seconds, sum(amount) AS amount,
    sum(unrated_seconds) AS unrated_seconds, sum(worklogs) AS worklogs
  FROM daily
  GROUP BY contract_id, account_id, team_id, period_start
) AS net
WHERE (seconds, amount, unrated_seconds, worklogs) <> (0, 0, 0, 0)
ON CONFLICT (contract_id, account_id, team_id, period_start) DO UPDATE SET
  seconds = s.seconds + excluded.seconds, amount = s.amount + excluded.amount,
  unrated_seconds = s.unrated_seconds + excluded.unrated_seconds, worklogs = s.worklogs + excluded.worklogs;

-- name: add_up_unaccounted!
WITH net AS (
  SELECT contract_id, reason, sum(seconds) AS seconds, sum(worklogs) AS worklogs
  FROM deltas
  WHERE NOT counts AND contract_id IS NOT NULL
  GROUP BY contract_id, reason
  HAVING sum(seconds) <> 0 OR sum(worklogs) <> 0
)
INSERT INTO unaccounted AS u (contract_id, reason, seconds, worklogs)
SELECT contract_id, reason, seconds, worklogs FROM net
ON CONFLICT (contract_id, reason) DO UPDATE
SET seconds = u.seconds + excluded.seconds, worklogs = u.worklogs + excluded.worklogs;

-- name: drop_empty!
-- A row without work is no row: the end is the same whichever way it was reached. Only what was taken from can be empty.
WITH contracts_taken_from AS MATERIALIZED (SELECT DISTINCT contract_id FROM deltas WHERE worklogs < 0),
s AS (
  DELETE FROM shares WHERE worklogs = 0 AND contract_id IN (SELECT contract_id FROM contracts_taken_from)
),
d AS (
  DELETE FROM days WHERE worklogs = 0 AND contract_id IN (SELECT contract_id FROM contracts_taken_from)
)
DELETE FROM unaccounted WHERE worklogs = 0 AND contract_id IN (SELECT contract_id FROM contracts_taken_from);

-- name: mark_dirty(correlation_id)!
-- The balances that changed are published.
UPDATE balances
SET revision = revision + 1, correlation_id = :correlation_id, updated_at = now()
WHERE contract_id IN (SELECT contract_id FROM deltas);
