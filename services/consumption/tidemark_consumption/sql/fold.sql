-- The fold of a batch of worklog.events, in the order in which fold.py calls it. All in one transaction, READ
-- COMMITTED: each statement sees what was committed before it began, so a lock taken by one guards the next.

-- name: prepare_session#
-- Working sets of one transaction, on every connection of the pool. `staged`: the worklogs to place; those of a batch
-- by their row of the log, those that stand already by what made them stand elsewhere, perhaps. `placed`: where they
-- belong. `moves`: what left its place, what came to one, and why. `touched`: whose work of a day is to be rated.
-- `closed`: the periods that were closed before.
CREATE TEMPORARY TABLE IF NOT EXISTS staged (
  batch bigint, record_offset bigint, cause text NOT NULL, source text NOT NULL, worklog_id text NOT NULL,
  issue_id text NOT NULL, author_id text, team_ref text, started_at timestamptz, changed_at timestamptz NOT NULL,
  content bytea NOT NULL
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS placed (
  source text NOT NULL, worklog_id text NOT NULL,
  contract_id uuid, account_id uuid, team_id uuid, period_start date, day date, reason text
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS moves (
  contract_id uuid, account_id uuid, team_id uuid, period_start date, day date, reason text, author_id text,
  seconds bigint NOT NULL, amount numeric NOT NULL, unrated_seconds bigint NOT NULL, worklogs integer NOT NULL,
  cause text NOT NULL, record_offset bigint
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS touched (
  contract_id uuid, author_id text, day date, cause text NOT NULL, record_offset bigint,
  PRIMARY KEY (contract_id, author_id, day)
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS closed (
  contract_id uuid, period_start date, period_end date NOT NULL, per_shown smallint NOT NULL,
  PRIMARY KEY (contract_id, period_start)
) ON COMMIT DELETE ROWS;

-- name: clear_worked!
-- Of the run before, in the same transaction.
WITH t AS (DELETE FROM touched),
c AS (DELETE FROM closed)
DELETE FROM moves;

-- name: clear_staged!
WITH p AS (DELETE FROM placed)
DELETE FROM staged;

-- name: open_batch(cluster, topic, partition, learned_at)^
INSERT INTO batches (cluster, topic, partition, learned_at)
VALUES (:cluster, :topic, :partition, coalesce(:learned_at, now()))
RETURNING batch AS number, learned_at;

-- name: hold_issues(batch)!
-- Insert or lock every issue whose work or link is in the batch, in one order. A link that arrives beside its
-- worklog waits here for the other, and then sees it.
INSERT INTO issues (source, issue_id)
SELECT DISTINCT source, issue_id
FROM fact_log
WHERE batch = :batch AND kind <> 'deleted'
ORDER BY source, issue_id
ON CONFLICT (source, issue_id) DO UPDATE SET issue_id = excluded.issue_id WHERE FALSE;

-- name: hold_dependencies(batch)!
-- Share what placement reads with other batches, and keep it from changing: contracts by what links call them,
-- before and after this batch; memberships by person. Contracts before persons, each in the order of its bucket.
WITH held AS (
  SELECT DISTINCT l.source, l.issue_id, i.contract_ref, l.kind = 'linked' AS linked
  FROM fact_log AS l
  JOIN issues AS i ON i.source = l.source AND i.issue_id = l.issue_id
  WHERE l.batch = :batch AND l.kind <> 'deleted'
),
buckets AS (
  SELECT 1 AS kind, hashtext(contract_ref) & 2047 AS bucket FROM held WHERE contract_ref IS NOT NULL
  UNION
  SELECT 1, hashtext(contract_ref) & 2047 FROM fact_log WHERE batch = :batch AND contract_ref IS NOT NULL
  UNION
  SELECT 2, hashtext(author_id) & 2047 FROM fact_log WHERE batch = :batch AND author_id IS NOT NULL
  UNION
  SELECT 2, hashtext(w.author_id) & 2047
  FROM held AS h
  JOIN worklogs AS w ON w.source = h.source AND w.issue_id = h.issue_id
  WHERE h.linked AND w.author_id IS NOT NULL
)
SELECT count(pg_advisory_xact_lock_shared(kind, bucket))
FROM (SELECT kind, bucket FROM buckets ORDER BY kind, bucket) AS ordered;

-- name: late_facts(batch, moment)
-- Facts of the batch that may change a closed period, in the order learned. More than do is no harm: the batch is
-- taken in more steps. `stood_*` is the version that stands of the worklog.
WITH closing AS MATERIALIZED (
  SELECT r.ref, c.per_shown <> 1 AS fixed, max(c.period_end) AS until
  FROM closed_periods(:moment) AS c
  JOIN contract_refs AS r USING (contract_id)
  GROUP BY r.ref, c.per_shown
),
facts AS MATERIALIZED (
  SELECT
    l.record_offset, l.kind, l.source, l.issue_id, l.worklog_id, l.author_id, l.started_at,
    w.issue_id AS stood_issue_id, w.author_id AS stood_author_id, w.started_at AS stood_started_at
  FROM fact_log AS l
  LEFT JOIN worklogs AS w ON w.source = l.source AND w.worklog_id = l.worklog_id
  WHERE l.batch = :batch AND EXISTS (SELECT FROM closing)
),
-- Where the work stands, and where it goes.
touched AS MATERIALIZED (
  SELECT record_offset, source, issue_id FROM facts
  UNION
  SELECT record_offset, source, stood_issue_id FROM facts WHERE stood_issue_id IS NOT NULL
),
refs AS (
  SELECT t.record_offset, i.contract_ref
  FROM touched AS t
  JOIN issues AS i USING (source, issue_id)
  UNION
  SELECT t.record_offset, l.contract_ref
  FROM touched AS t
  JOIN facts AS f USING (source, issue_id)
  JOIN fact_log AS l ON l.batch = :batch AND l.record_offset = f.record_offset
  WHERE f.kind = 'linked'
),
late AS MATERIALIZED (
  SELECT f.record_offset, f.source, f.worklog_id, bool_or(c.fixed) AS fixed
  FROM refs AS r
  JOIN closing AS c ON c.ref = r.contract_ref
  JOIN facts AS f USING (record_offset)
  WHERE f.kind = 'linked' OR c.fixed
    -- Two days: no zone is further from UTC.
    OR least(f.started_at, f.stood_started_at) < (c.until + 2)::timestamp AT TIME ZONE 'UTC'
    OR (f.kind = 'deleted' AND f.stood_started_at IS NULL)
  GROUP BY f.record_offset, f.source, f.worklog_id
),
-- All versions of a worklog that has a late one.
worklogs_late AS (
  SELECT source, worklog_id, bool_or(fixed) AS fixed FROM late WHERE worklog_id IS NOT NULL GROUP BY source, worklog_id
)
SELECT
  f.record_offset, f.kind, f.source, f.issue_id, f.worklog_id, f.author_id, f.stood_issue_id, f.stood_author_id,
  coalesce(w.fixed, l.fixed) AS fixed
FROM facts AS f
LEFT JOIN late AS l USING (record_offset)
LEFT JOIN worklogs_late AS w ON w.source = f.source AND w.worklog_id = f.worklog_id
WHERE l.record_offset IS NOT NULL OR w.worklog_id IS NOT NULL
ORDER BY f.record_offset;

-- name: link_issues(batch, first, last)^
-- The last writer of each link. Gives the issues whose link changed, and the record that did it.
WITH newest AS (
  SELECT DISTINCT ON (source, issue_id) *
  FROM fact_log
  WHERE batch = :batch AND record_offset BETWEEN :first AND :last AND kind = 'linked'
  ORDER BY source, issue_id, changed_at DESC, content DESC
),
linked AS (
  UPDATE issues AS i
  SET contract_ref = n.contract_ref, account_ref = n.account_ref, created_at = n.created_at,
    changed_at = n.changed_at, content = n.content
  FROM newest AS n
  WHERE i.source = n.source AND i.issue_id = n.issue_id
    AND (i.content IS NULL OR (n.changed_at, n.content) > (i.changed_at, i.content))
  RETURNING i.source, i.issue_id, n.record_offset
)
SELECT
  coalesce(array_agg(source), '{}') AS sources, coalesce(array_agg(issue_id), '{}') AS issues,
  coalesce(array_agg(record_offset), '{}') AS offsets
FROM linked;

-- name: stage_batch(batch, first, last)!
-- The newest version of each worklog in the batch.
INSERT INTO staged
SELECT DISTINCT ON (source, worklog_id)
  batch, record_offset, 'worklog:' || source || '/' || worklog_id, source, worklog_id, issue_id, author_id, team_ref,
  started_at, changed_at, content
FROM fact_log
WHERE batch = :batch AND record_offset BETWEEN :first AND :last AND kind <> 'linked'
ORDER BY source, worklog_id, changed_at DESC, kind = 'deleted' DESC, content DESC;

-- name: stage_issues(sources, issues, offsets)!
-- The work that stands on these issues.
INSERT INTO staged
SELECT
  NULL, i.record_offset, 'issue:' || i.source || '/' || i.issue_id, w.source, w.worklog_id, w.issue_id, w.author_id,
  w.team_ref, w.started_at, w.changed_at, w.content
FROM unnest(:sources::text [], :issues::text [], :offsets::bigint []) AS i (source, issue_id, record_offset)
JOIN worklogs AS w ON w.source = i.source AND w.issue_id = i.issue_id
WHERE NOT w.deleted;

-- name: place!
-- Where each worklog belongs, and why it does not count where it does not: SPEC W1, W4, W5. The day first and once,
-- then each person's team on a day once: asked anew for every worklog and period, both cost more than all the rest.
INSERT INTO placed
WITH linked AS MATERIALIZED (
  SELECT
    w.source, w.worklog_id, w.author_id, w.team_ref, i.contract_ref, c.contract_id, c.status, a.account_id,
    (w.started_at AT TIME ZONE c.timezone)::date AS day,
    -- The governing date (SPEC W1): of the work, or of the issue.
    (CASE c.per_shown WHEN 1 THEN w.started_at ELSE i.created_at END AT TIME ZONE c.timezone)::date AS governing
  FROM staged AS w
  JOIN issues AS i ON i.source = w.source AND i.issue_id = w.issue_id
  LEFT JOIN contract_refs AS r ON r.ref = i.contract_ref
  LEFT JOIN contracts AS c ON c.contract_id = r.contract_id
  LEFT JOIN account_refs AS f ON f.contract_id = c.contract_id AND f.ref = i.account_ref
  LEFT JOIN accounts AS a ON a.contract_id = f.contract_id AND a.account_id = f.account_id
  -- A deleted worklog has no author and no place.
  WHERE w.author_id IS NOT NULL
),
teamed AS MATERIALIZED (
  SELECT DISTINCT ON (l.contract_id, l.account_id, l.author_id, l.day)
    l.contract_id, l.account_id, l.author_id, l.day, t.team_id
  FROM (SELECT DISTINCT contract_id, account_id, author_id, day FROM linked WHERE account_id IS NOT NULL) AS l
  JOIN account_teams AS t ON t.contract_id = l.contract_id AND t.account_id = l.account_id
  JOIN memberships AS m
    ON m.team_id = t.team_id AND m.person_id = l.author_id AND l.day BETWEEN m.first_day AND m.last_day
  ORDER BY l.contract_id, l.account_id, l.author_id, l.day, t.position
)
SELECT
  l.source, l.worklog_id, l.contract_id, l.account_id,
  CASE WHEN p.period_start IS NOT NULL THEN coalesce(own.team_id, t.team_id) END,
  p.period_start,
  l.day,
  CASE
    WHEN l.contract_ref IS NULL THEN 'issue_not_linked'
    WHEN l.contract_id IS NULL THEN 'contract_unknown'
    WHEN l.account_id IS NULL THEN 'account_unknown'
    WHEN l.status = 'DRAFT' THEN 'contract_draft'
    WHEN l.status = 'INACTIVE' THEN 'contract_inactive'
    WHEN p.period_start IS NULL THEN 'outside_dates'
  END
FROM linked AS l
LEFT JOIN account_teams AS own
  ON own.contract_id = l.contract_id AND own.account_id = l.account_id AND own.team_id::text = l.team_ref
LEFT JOIN teamed AS t
  ON t.contract_id = l.contract_id AND t.account_id = l.account_id AND t.author_id = l.author_id AND t.day = l.day
LEFT JOIN periods AS p ON p.contract_id = l.contract_id AND l.governing BETWEEN p.period_start AND p.period_end;

-- name: fold_worklogs!
-- The last writer of each worklog, with its place; what left its place and what came to one is noted in `moves`.
WITH folded AS (
  INSERT INTO worklogs AS w (
    source, worklog_id, issue_id, author_id, started_at, seconds, team_ref, deleted, changed_at, content,
    contract_id, account_id, team_id, period_start, day, reason
  )
  SELECT
    n.source, n.worklog_id, n.issue_id, n.author_id, n.started_at, l.seconds, n.team_ref, l.kind = 'deleted',
    n.changed_at, n.content, p.contract_id, p.account_id, p.team_id, p.period_start, p.day, p.reason
  FROM staged AS n
  JOIN fact_log AS l ON l.batch = n.batch AND l.record_offset = n.record_offset
  LEFT JOIN placed AS p ON p.source = n.source AND p.worklog_id = n.worklog_id
  ORDER BY n.source, n.worklog_id
  ON CONFLICT (source, worklog_id) DO UPDATE SET
    issue_id = excluded.issue_id, author_id = excluded.author_id, started_at = excluded.started_at,
    seconds = excluded.seconds, team_ref = excluded.team_ref, deleted = excluded.deleted,
    changed_at = excluded.changed_at, content = excluded.content, contract_id = excluded.contract_id,
    account_id = excluded.account_id, team_id = excluded.team_id, period_start = excluded.period_start,
    day = excluded.day, reason = excluded.reason
  WHERE (excluded.changed_at, excluded.deleted, excluded.content) > (w.changed_at, w.deleted, w.content)
  RETURNING
    old.contract_id AS old_contract_id, old.account_id AS old_account_id, old.team_id AS old_team_id,
    old.period_start AS old_period_start, old.day AS old_day, old.reason AS old_reason, old.author_id AS old_author_id,
    coalesce(old.seconds, 0) AS old_seconds, NOT coalesce(old.deleted, TRUE) AS was,
    new.source, new.worklog_id, new.contract_id, new.account_id, new.team_id, new.period_start, new.day, new.reason,
    new.author_id, coalesce(new.seconds, 0) AS seconds, NOT new.deleted AS "is"
),
caused AS (
  SELECT f.*, n.cause, n.record_offset
  FROM folded AS f
  JOIN staged AS n USING (source, worklog_id)
)
INSERT INTO moves
SELECT
  old_contract_id, old_account_id, old_team_id, old_period_start, old_day, old_reason, old_author_id,
  -old_seconds, 0, 0, -1, cause, record_offset
FROM caused WHERE was
UNION ALL
SELECT
  contract_id, account_id, team_id, period_start, day, reason, author_id, seconds, 0, 0, 1, cause, record_offset
FROM caused WHERE "is";

-- name: move_standing!
-- Work that stands already goes where it belongs now. What another transaction changes meanwhile is placed by that
-- one, under its own locks: the comparison of `content` leaves it alone.
WITH moved AS (
  UPDATE worklogs AS w
  SET contract_id = p.contract_id, account_id = p.account_id, team_id = p.team_id, period_start = p.period_start,
    day = p.day, reason = p.reason
  FROM staged AS n
  JOIN placed AS p ON p.source = n.source AND p.worklog_id = n.worklog_id
  WHERE w.source = n.source AND w.worklog_id = n.worklog_id
    AND w.changed_at = n.changed_at AND w.content = n.content AND NOT w.deleted
    AND (w.contract_id, w.account_id, w.team_id, w.period_start, w.day, w.reason)
      IS DISTINCT FROM (p.contract_id, p.account_id, p.team_id, p.period_start, p.day, p.reason)
  RETURNING
    old.contract_id AS old_contract_id, old.account_id AS old_account_id, old.team_id AS old_team_id,
    old.period_start AS old_period_start, old.day AS old_day, old.reason AS old_reason,
    new.contract_id, new.account_id, new.team_id, new.period_start, new.day, new.reason, new.author_id, new.seconds,
    n.cause, n.record_offset
)
INSERT INTO moves
SELECT
  old_contract_id, old_account_id, old_team_id, old_period_start, old_day, old_reason, author_id,
  -seconds, 0, 0, -1, cause, record_offset
FROM moved
UNION ALL
SELECT contract_id, account_id, team_id, period_start, day, reason, author_id, seconds, 0, 0, 1, cause, record_offset
FROM moved;

-- name: project_shares!
-- Add up the moves; sorted, so that two batches lock the rows they share in one order.
WITH net AS (
  SELECT
    contract_id, account_id, team_id, period_start, sum(seconds) AS seconds, sum(amount) AS amount,
    sum(unrated_seconds) AS unrated_seconds, sum(worklogs) AS worklogs
  FROM moves
  WHERE reason IS NULL
  GROUP BY contract_id, account_id, team_id, period_start
)
INSERT INTO shares AS s (contract_id, account_id, team_id, period_start, seconds, amount, unrated_seconds, worklogs)
SELECT contract_id, account_id, team_id, period_start, seconds, amount, unrated_seconds, worklogs FROM net
WHERE (seconds, amount, unrated_seconds, worklogs) <> (0, 0, 0, 0)
ORDER BY contract_id, account_id, team_id, period_start
ON CONFLICT (contract_id, account_id, team_id, period_start) DO UPDATE SET
  seconds = s.seconds + excluded.seconds, amount = s.amount + excluded.amount,
  unrated_seconds = s.unrated_seconds + excluded.unrated_seconds, worklogs = s.worklogs + excluded.worklogs;

-- name: project_days!
WITH net AS (
  SELECT
    contract_id, account_id, team_id, period_start, day, sum(seconds) AS seconds, sum(amount) AS amount,
    sum(unrated_seconds) AS unrated_seconds, sum(worklogs) AS worklogs
  FROM moves
  WHERE reason IS NULL
  GROUP BY contract_id, account_id, team_id, period_start, day
)
INSERT INTO days AS d (contract_id, account_id, team_id, period_start, day, seconds, amount, unrated_seconds, worklogs)
SELECT contract_id, account_id, team_id, period_start, day, seconds, amount, unrated_seconds, worklogs FROM net
WHERE (seconds, amount, unrated_seconds, worklogs) <> (0, 0, 0, 0)
ORDER BY contract_id, account_id, team_id, period_start, day
ON CONFLICT (contract_id, account_id, team_id, period_start, day) DO UPDATE SET
  seconds = d.seconds + excluded.seconds, amount = d.amount + excluded.amount,
  unrated_seconds = d.unrated_seconds + excluded.unrated_seconds, worklogs = d.worklogs + excluded.worklogs;

-- name: project_unaccounted!
WITH net AS (
  SELECT contract_id, reason, sum(seconds) AS seconds, sum(worklogs) AS worklogs
  FROM moves
  WHERE reason IS NOT NULL AND contract_id IS NOT NULL
  GROUP BY contract_id, reason
  HAVING sum(seconds) <> 0 OR sum(worklogs) <> 0
)
INSERT INTO unaccounted AS u (contract_id, reason, seconds, worklogs)
SELECT contract_id, reason, seconds, worklogs FROM net
ORDER BY contract_id, reason
ON CONFLICT (contract_id, reason) DO UPDATE
SET seconds = u.seconds + excluded.seconds, worklogs = u.worklogs + excluded.worklogs;

-- name: drop_empty!
-- A row without work is no row: the end is the same whichever way it was reached. A row that another transaction
-- adds to meanwhile is looked at again, and stays.
WITH s AS (
  DELETE FROM shares WHERE worklogs = 0 AND contract_id IN (SELECT contract_id FROM moves)
),
d AS (
  DELETE FROM days WHERE worklogs = 0 AND contract_id IN (SELECT contract_id FROM moves)
)
DELETE FROM unaccounted WHERE worklogs = 0 AND contract_id IN (SELECT contract_id FROM moves);

-- name: raise_balances(correlation_id)!
UPDATE balances AS b
SET revision = b.revision + 1, correlation_id = :correlation_id, updated_at = now()
FROM (
  SELECT contract_id FROM balances
  WHERE contract_id IN (SELECT contract_id FROM moves)
  ORDER BY contract_id
  FOR UPDATE
) AS touched
WHERE b.contract_id = touched.contract_id;
