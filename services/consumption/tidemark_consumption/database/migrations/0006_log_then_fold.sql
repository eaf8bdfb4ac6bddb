-- consumers append to the logs; one projector folds them, gives `learned_at` and marks what is folded (ADR 11)

-- A batch is folded once it has its `learned_at`. What was learned at one moment was folded together.
ALTER TABLE batches
  ALTER COLUMN learned_at DROP NOT NULL,
  ADD COLUMN log text NOT NULL DEFAULT 'facts' CHECK (log IN ('facts', 'contracts', 'directory')),
  ADD COLUMN first_offset bigint NOT NULL DEFAULT 0,
  ADD COLUMN record_count integer NOT NULL DEFAULT 0,
  ADD COLUMN appended_at timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN correlation_id text NOT NULL DEFAULT '';
-- By the topic, whose name may have a prefix: of a batch that brought only versions that were there the log has nothing.
UPDATE batches SET
  appended_at = learned_at,
  log = CASE
    WHEN topic LIKE '%contracts.lifecycle' THEN 'contracts' WHEN topic LIKE '%contracts.directory' THEN 'directory'
    ELSE 'facts'
  END;
ALTER TABLE batches ALTER COLUMN log DROP DEFAULT, ALTER COLUMN first_offset DROP DEFAULT,
  ALTER COLUMN record_count DROP DEFAULT;
COMMENT ON TABLE batches IS 'One row for each transaction that appended records of a partition to a log.';
COMMENT ON COLUMN batches.learned_at IS 'When the projector folded it (SPEC W8); null until then. Strictly growing from '
'fold to fold; batches that were folded together share it.';
COMMENT ON COLUMN batches.log IS 'The log that holds its records.';
COMMENT ON COLUMN batches.first_offset IS 'Offset of its first record.';
COMMENT ON COLUMN batches.appended_at IS 'When the consumer appended it.';
COMMENT ON COLUMN batches.correlation_id IS 'That of its first record: the balances that it changes carry it on.';
COMMENT ON COLUMN batches.record_count IS 'How many records the log took.';
CREATE INDEX contracts_of_fixed_price ON contracts (contract_id) WHERE per_shown <> 1;
CREATE INDEX batches_unfolded ON batches (batch) WHERE learned_at IS NULL;

CREATE TABLE projection (
  singleton boolean PRIMARY KEY DEFAULT TRUE CHECK (singleton),
  learned_at timestamptz NOT NULL,
  rebuild_due boolean NOT NULL DEFAULT FALSE
);
COMMENT ON TABLE projection IS 'One row, locked by whoever folds: so there is one writer, and whoever asks as of a '
'moment waits for the fold in flight.';
COMMENT ON COLUMN projection.learned_at IS 'Every later fold is learned after this: the last fold, or the latest moment '
'that was asked for.';
COMMENT ON COLUMN projection.rebuild_due IS 'A migration changed a rule: the projections are rebuilt before the next fold.';
INSERT INTO projection (learned_at, rebuild_due)
SELECT coalesce(max(learned_at), '-infinity'), count(*) > 0 FROM batches;

-- Canonical content is held once, as columns; of ties its SHA-256 decides (SPEC W6).
CREATE TABLE facts (
  batch bigint NOT NULL,
  record_offset bigint NOT NULL,
  kind text NOT NULL,
  source text NOT NULL,
  issue_id text NOT NULL,
  worklog_id text,
  author_id text,
  started_at timestamptz,
  seconds integer,
  team_ref text,
  contract_ref text,
  account_ref text,
  created_at timestamptz,
  changed_at timestamptz NOT NULL,
  issue_key text,
  summary text,
  description text,
  digest bytea NOT NULL
);
INSERT INTO facts (
  batch, record_offset, kind, source, issue_id, worklog_id, author_id, started_at, seconds, team_ref, contract_ref,
  account_ref, created_at, changed_at, issue_key, summary, description, digest
)
SELECT
  l.batch, l.record_offset, l.kind, l.source, l.issue_id, l.worklog_id, l.author_id, l.started_at, l.seconds,
  l.team_ref, l.contract_ref, l.account_ref, l.created_at, l.changed_at, c.content ->> 'issue_key',
  c.content ->> 'summary', c.content ->> 'description', sha256(l.content)
FROM fact_log AS l
CROSS JOIN LATERAL (SELECT convert_from(l.content, 'UTF8')::jsonb AS content) AS c
ORDER BY l.batch, l.record_offset;
DROP TABLE fact_log;
ALTER TABLE facts RENAME TO fact_log;
ALTER TABLE fact_log ADD PRIMARY KEY (batch, record_offset);
COMMENT ON TABLE fact_log IS 'Every version of every worklog and issue link, as it came. Append-only.';
COMMENT ON COLUMN fact_log.kind IS 'recorded, deleted or linked.';
COMMENT ON COLUMN fact_log.digest IS 'SHA-256 of the canonical content (SPEC 9): decides between versions of equal time.';
-- Links alone: they are few beside worklogs, whose versions are found from `worklogs` and `former_versions`.
CREATE INDEX fact_log_links_to ON fact_log (contract_ref) WHERE kind = 'linked';
CREATE INDEX fact_log_links_of ON fact_log (source, issue_id) WHERE kind = 'linked';

UPDATE batches AS b SET first_offset = l.first_offset, record_count = l.record_count
FROM (
  SELECT batch, min(record_offset) AS first_offset, count(*) AS record_count FROM fact_log GROUP BY batch
) AS l
WHERE l.batch = b.batch;

-- Appended alone, so two consumers never wait for each other here: the fold drops versions that come twice.
ALTER TABLE contract_log DROP CONSTRAINT contract_log_pkey, DROP CONSTRAINT contract_log_batch_fkey,
  ADD COLUMN record_offset bigint NOT NULL DEFAULT 0;
ALTER TABLE contract_log ALTER COLUMN record_offset DROP DEFAULT;
CREATE INDEX contract_log_by_version ON contract_log (contract_id, stream_version);
ALTER TABLE directory_log DROP CONSTRAINT directory_log_pkey, DROP CONSTRAINT directory_log_batch_fkey,
  ADD COLUMN record_offset bigint NOT NULL DEFAULT 0;
ALTER TABLE directory_log ALTER COLUMN record_offset DROP DEFAULT;
CREATE INDEX directory_log_by_version ON directory_log (entity_id, version);

-- A worklog names its version in the log instead of repeating it.
ALTER TABLE worklogs ADD COLUMN batch bigint, ADD COLUMN record_offset bigint;
UPDATE worklogs AS w SET batch = l.batch, record_offset = l.record_offset
FROM (
  SELECT DISTINCT ON (l.source, l.worklog_id) l.source, l.worklog_id, l.batch, l.record_offset
  FROM fact_log AS l
  JOIN batches AS b USING (batch)
  WHERE l.kind <> 'linked'
  ORDER BY
    l.source, l.worklog_id, l.changed_at DESC, l.kind = 'deleted' DESC, l.digest DESC, b.learned_at, l.batch,
    l.record_offset
) AS l
WHERE l.source = w.source AND l.worklog_id = w.worklog_id;
DROP INDEX worklogs_by_contract, worklogs_by_issue;
-- The id before the source, which says little: no index can be mistaken for another by its first column.
ALTER TABLE worklogs DROP CONSTRAINT worklogs_pkey, ADD PRIMARY KEY (worklog_id, source);
CREATE INDEX worklogs_by_issue ON worklogs (issue_id, source);
CREATE INDEX worklogs_by_person_day ON worklogs (author_id, day);
DROP VIEW reporting.unaccounted_worklogs;
ALTER TABLE worklogs DROP COLUMN content, ALTER COLUMN batch SET NOT NULL, ALTER COLUMN record_offset SET NOT NULL;
COMMENT ON COLUMN worklogs.batch IS 'With record_offset: the version that holds, in fact_log.';

CREATE TABLE former_versions (
  source text NOT NULL,
  worklog_id text NOT NULL,
  issue_id text NOT NULL,
  batch bigint NOT NULL,
  record_offset bigint NOT NULL,
  PRIMARY KEY (worklog_id, source, batch, record_offset)
);
COMMENT ON TABLE former_versions IS 'Versions of worklogs that held once: an earlier moment is answered from these and '
'from `worklogs`, so the log needs no index on every version.';
CREATE INDEX former_versions_by_issue ON former_versions (issue_id, source);
INSERT INTO former_versions (source, worklog_id, issue_id, batch, record_offset)
SELECT l.source, l.worklog_id, l.issue_id, l.batch, l.record_offset
FROM fact_log AS l
JOIN worklogs AS w ON w.source = l.source AND w.worklog_id = l.worklog_id
WHERE l.kind <> 'linked' AND (l.batch, l.record_offset) <> (w.batch, w.record_offset);

-- One writer needs no placeholders for issues without a link.
DELETE FROM issues WHERE content IS NULL;
ALTER TABLE issues ADD COLUMN batch bigint, ADD COLUMN record_offset bigint;
UPDATE issues AS i SET batch = l.batch, record_offset = l.record_offset
FROM (
  SELECT DISTINCT ON (l.source, l.issue_id) l.source, l.issue_id, l.batch, l.record_offset
  FROM fact_log AS l
  JOIN batches AS b USING (batch)
  WHERE l.kind = 'linked'
  ORDER BY l.source, l.issue_id, l.changed_at DESC, l.digest DESC, b.learned_at, l.batch, l.record_offset
) AS l
WHERE l.source = i.source AND l.issue_id = i.issue_id;
ALTER TABLE issues DROP COLUMN content, ALTER COLUMN changed_at SET NOT NULL, ALTER COLUMN batch SET NOT NULL,
  ALTER COLUMN record_offset SET NOT NULL;
COMMENT ON TABLE issues IS 'The link of each issue that holds: the last writer''s.';
COMMENT ON COLUMN issues.batch IS 'With record_offset: the version that holds, in fact_log.';

CREATE VIEW reporting.unaccounted_worklogs AS
SELECT
  w.source, w.worklog_id, w.issue_id, w.author_id, w.started_at, w.seconds, hours(w.seconds) AS hours, w.reason,
  w.contract_id, w.account_id,
  i.contract_ref,
  CASE WHEN i.contract_ref IS NOT NULL THEN i.account_ref END AS account_ref
FROM worklogs AS w
LEFT JOIN issues AS i USING (source, issue_id)
WHERE w.reason IS NOT NULL;
COMMENT ON VIEW reporting.unaccounted_worklogs IS 'One row for each worklog that does not count, and why (SPEC W5).';
COMMENT ON COLUMN reporting.unaccounted_worklogs.source IS 'ce_source of the tracker.';
COMMENT ON COLUMN reporting.unaccounted_worklogs.worklog_id IS 'Id of the worklog in its source.';
COMMENT ON COLUMN reporting.unaccounted_worklogs.issue_id IS 'Id of the issue in its source.';
COMMENT ON COLUMN reporting.unaccounted_worklogs.author_id IS 'Person who worked, as the source knows them.';
COMMENT ON COLUMN reporting.unaccounted_worklogs.started_at IS 'When the work started.';
COMMENT ON COLUMN reporting.unaccounted_worklogs.seconds IS 'Time worked, whole seconds.';
COMMENT ON COLUMN reporting.unaccounted_worklogs.hours IS 'Time worked in hours.';
COMMENT ON COLUMN reporting.unaccounted_worklogs.reason IS 'Why it does not count: the first that holds of SPEC W5.';
COMMENT ON COLUMN reporting.unaccounted_worklogs.contract_id IS 'Id of the contract; null where it is not known.';
COMMENT ON COLUMN reporting.unaccounted_worklogs.account_id IS 'Id of the account; null where it is not known.';
COMMENT ON COLUMN reporting.unaccounted_worklogs.contract_ref IS 'The contract as the link names it; null where the issue is not linked.';
COMMENT ON COLUMN reporting.unaccounted_worklogs.account_ref IS 'The account as the link names it; null where the issue is not linked.';

CREATE VIEW reporting.folded_offsets AS
SELECT
  p.service, p.cluster, p.topic, p.partition, coalesce(min(b.first_offset), p.next_offset) AS next_offset
FROM consumer_offsets AS p
LEFT JOIN batches AS b
  ON b.learned_at IS NULL AND b.cluster = p.cluster AND b.topic = p.topic AND b.partition = p.partition
GROUP BY p.service, p.cluster, p.topic, p.partition, p.next_offset;
COMMENT ON VIEW reporting.folded_offsets IS 'How far the figures are: reporting.progress says what was read, this what is '
'counted.';
COMMENT ON COLUMN reporting.folded_offsets.service IS 'The service that counts.';
COMMENT ON COLUMN reporting.folded_offsets.cluster IS 'Id of the Kafka cluster.';
COMMENT ON COLUMN reporting.folded_offsets.topic IS 'Topic.';
COMMENT ON COLUMN reporting.folded_offsets.partition IS 'Partition.';
COMMENT ON COLUMN reporting.folded_offsets.next_offset IS 'The first offset whose record does not count yet.';

ALTER TABLE balances ADD COLUMN published_at timestamptz NOT NULL DEFAULT '-infinity';
COMMENT ON COLUMN balances.published_at IS 'When it was last published: whoever waited longest is next.';

-- A digest in the log; the fold asks for it where two versions have the same time.
CREATE FUNCTION digest_of(of_batch bigint, of_offset bigint) RETURNS bytea
LANGUAGE sql STABLE
AS $$ SELECT digest FROM fact_log WHERE batch = of_batch AND record_offset = of_offset $$;

-- Periods that end before this day are closed for what is learned at a moment (SPEC 9).
CREATE FUNCTION closed_before(
  status text, timezone text, activated_at timestamptz, settle_days integer, moment timestamptz
) RETURNS date
LANGUAGE sql STABLE
RETURN CASE
  WHEN status = 'CLOSED' THEN 'infinity'::date
  WHEN (activated_at AT TIME ZONE timezone)::date < (moment AT TIME ZONE timezone)::date - settle_days
    THEN (moment AT TIME ZONE timezone)::date - settle_days
  ELSE '-infinity'::date
END;
DROP FUNCTION closed_periods;

-- Facts of batches that may meet another in a closed period, in the order learned. More than do is no harm: the batches
-- are folded in more waves. `former_*` is the version that holds before. A worklog that comes once, in hours, while no
-- link changes, meets no other: it is not looked at. The planner knows nothing of batches that were appended a moment
-- ago, so its choice is made here: sets are hashed, what is looked up in a large table is LATERAL, and each step is
-- MATERIALIZED, or steps would be joined in another order.
CREATE FUNCTION backdated_facts(batches bigint [], moment timestamptz)
RETURNS TABLE (
  batch bigint, record_offset bigint, kind text, source text, issue_id text, worklog_id text, author_id text,
  former_issue_id text, former_author_id text, fixed boolean
)
LANGUAGE sql STABLE
SET enable_nestloop = off
AS $$
  WITH facts AS MATERIALIZED (
    SELECT l.batch, l.record_offset, l.kind, l.source, l.issue_id, l.worklog_id, l.author_id, l.started_at, l.contract_ref
    FROM fact_log AS l
    WHERE l.batch = ANY(batches)
  ),
  repeated AS MATERIALIZED (
    SELECT f.source, f.worklog_id FROM facts AS f WHERE f.kind <> 'linked' GROUP BY f.source, f.worklog_id HAVING count(*) > 1
  ),
  relinked AS MATERIALIZED (SELECT DISTINCT f.source, f.issue_id FROM facts AS f WHERE f.kind = 'linked'),
  on_relinked AS MATERIALIZED (
    SELECT r.source, w.worklog_id
    FROM relinked AS r
    CROSS JOIN LATERAL (
      SELECT w.worklog_id FROM worklogs AS w WHERE w.source = r.source AND w.issue_id = r.issue_id OFFSET 0
    ) AS w
  ),
  suspects AS MATERIALIZED (
    SELECT f.*, w.issue_id AS former_issue_id, w.author_id AS former_author_id, w.started_at AS former_started_at
    FROM (
      SELECT f.batch, f.record_offset FROM facts AS f JOIN repeated USING (source, worklog_id)
      UNION
      SELECT f.batch, f.record_offset FROM facts AS f JOIN relinked USING (source, issue_id)
      UNION
      SELECT f.batch, f.record_offset FROM facts AS f JOIN on_relinked USING (source, worklog_id)
      UNION
      SELECT f.batch, f.record_offset FROM facts AS f WHERE EXISTS (SELECT FROM contracts AS c WHERE c.per_shown <> 1)
    ) AS s
    JOIN facts AS f USING (batch, record_offset)
    LEFT JOIN LATERAL (
      SELECT w.issue_id, w.author_id, w.started_at
      FROM worklogs AS w
      WHERE w.source = f.source AND w.worklog_id = f.worklog_id
      OFFSET 0
    ) AS w ON TRUE
  ),
  -- Where the work is, and where it goes.
  suspect_issues AS MATERIALIZED (
    SELECT s.batch, s.record_offset, s.source, s.issue_id FROM suspects AS s
    UNION
    SELECT s.batch, s.record_offset, s.source, s.former_issue_id FROM suspects AS s WHERE s.former_issue_id IS NOT NULL
  ),
  issue_refs AS MATERIALIZED (
    SELECT d.source, d.issue_id, i.contract_ref
    FROM (SELECT DISTINCT s.source, s.issue_id FROM suspect_issues AS s) AS d
    CROSS JOIN LATERAL (
      SELECT i.contract_ref FROM issues AS i WHERE i.source = d.source AND i.issue_id = d.issue_id OFFSET 0
    ) AS i
  ),
  refs AS MATERIALIZED (
    SELECT s.batch, s.record_offset, i.contract_ref
    FROM issue_refs AS i
    JOIN suspect_issues AS s USING (source, issue_id)
    UNION
    SELECT s.batch, s.record_offset, f.contract_ref
    FROM suspect_issues AS s
    JOIN facts AS f USING (source, issue_id)
    WHERE f.kind = 'linked'
  ),
  closing AS MATERIALIZED (
    SELECT d.contract_ref, c.fixed, p.until
    FROM (SELECT DISTINCT r.contract_ref FROM refs AS r WHERE r.contract_ref IS NOT NULL) AS d
    CROSS JOIN LATERAL (SELECT r.contract_id FROM contract_refs AS r WHERE r.ref = d.contract_ref OFFSET 0) AS r
    CROSS JOIN LATERAL (
      SELECT
        c.per_shown <> 1 AS fixed, closed_before(c.status, c.timezone, c.activated_at, c.settle_days, moment) AS before
      FROM contracts AS c
      WHERE c.contract_id = r.contract_id
      OFFSET 0
    ) AS c
    CROSS JOIN LATERAL (
      SELECT max(p.period_end) AS until FROM periods AS p WHERE p.contract_id = r.contract_id AND p.period_end < c.before
    ) AS p
    WHERE p.until IS NOT NULL
  ),
  backdated AS MATERIALIZED (
    SELECT f.batch, f.record_offset, f.source, f.worklog_id, bool_or(c.fixed) AS fixed
    FROM refs AS r
    JOIN closing AS c USING (contract_ref)
    JOIN suspects AS f USING (batch, record_offset)
    WHERE f.kind = 'linked' OR c.fixed
      -- Two days: no zone is further from UTC.
      OR least(f.started_at, f.former_started_at) < (c.until + 2)::timestamp AT TIME ZONE 'UTC'
      OR (f.kind = 'deleted' AND f.former_started_at IS NULL)
    GROUP BY f.batch, f.record_offset, f.source, f.worklog_id
  ),
  -- All versions of a worklog that has a backdated one.
  backdated_worklogs AS MATERIALIZED (
    SELECT b.source, b.worklog_id, bool_or(b.fixed) AS fixed
    FROM backdated AS b
    WHERE b.worklog_id IS NOT NULL
    GROUP BY b.source, b.worklog_id
  )
  SELECT
    f.batch, f.record_offset, f.kind, f.source, f.issue_id, f.worklog_id, f.author_id, f.former_issue_id,
    f.former_author_id, coalesce(w.fixed, b.fixed)
  FROM suspects AS f
  LEFT JOIN backdated AS b USING (batch, record_offset)
  LEFT JOIN backdated_worklogs AS w ON w.source = f.source AND w.worklog_id = f.worklog_id
  WHERE b.record_offset IS NOT NULL OR w.worklog_id IS NOT NULL
  ORDER BY f.batch, f.record_offset
$$;

-- The shadow tables of a session, for an earlier moment and for a rebuild: see `replay.py`.
DROP FUNCTION open_world;
CREATE FUNCTION create_shadow_tables() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  view record;
  views jsonb;
  relation text;
BEGIN
  SELECT jsonb_agg(jsonb_build_object('name', c.relname, 'query', pg_get_viewdef(c.oid)) ORDER BY c.oid) INTO views
  FROM pg_class AS c
  WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'v';
  FOREACH relation IN ARRAY projections() || ARRAY['balances', 'restatements', 'former_versions'] LOOP
    EXECUTE format(
      'CREATE TEMPORARY TABLE %I (LIKE %I.%1$I INCLUDING ALL) ON COMMIT DELETE ROWS', relation, current_schema()
    );
  END LOOP;
  -- An answer as of a moment is the same for ever, its revision included.
  ALTER TABLE pg_temp.balances ALTER COLUMN revision SET DEFAULT 0;
  FOR view IN SELECT v.name, v.query FROM jsonb_to_recordset(views) AS v (name text, query text) LOOP
    EXECUTE format('CREATE TEMPORARY VIEW %I AS %s', view.name, view.query);
  END LOOP;
  CREATE TEMPORARY TABLE batches_in_scope (batch bigint PRIMARY KEY, learned_at timestamptz NOT NULL) ON COMMIT DELETE ROWS;
END
$$;

DROP FUNCTION mend, differences;
-- The rows of a projection that are not what the session's shadow tables have, and those that should be there.
CREATE FUNCTION differences(relation text) RETURNS TABLE (side text, "row" jsonb)
LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY EXECUTE format(
    'SELECT ''actual'', to_jsonb(a) FROM (TABLE %1$I.%2$I EXCEPT TABLE pg_temp.%2$I) AS a
    UNION ALL
    SELECT ''expected'', to_jsonb(e) FROM (TABLE pg_temp.%2$I EXCEPT TABLE %1$I.%2$I) AS e',
    current_schema(), relation
  );
END
$$;

-- Makes a projection what the session's shadow tables have, by the rows that differ alone.
CREATE FUNCTION repair(relation text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  target text := format('%I.%I', current_schema(), relation);
  same text := (SELECT string_agg(format('a.%I IS NOT DISTINCT FROM d.%1$I', c), ' AND ') FROM unnest(key_of(relation)) AS c);
  columns text := (
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum)
    FROM pg_attribute
    WHERE attrelid = target::regclass AND attnum > 0 AND NOT attisdropped
  );
BEGIN
  EXECUTE format(
    'DELETE FROM %1$s AS a USING (SELECT %3$s FROM %1$s EXCEPT SELECT %3$s FROM pg_temp.%2$I) AS d WHERE %4$s',
    target, relation, columns, same
  );
  EXECUTE format(
    'INSERT INTO %1$s (%3$s) SELECT %3$s FROM pg_temp.%2$I EXCEPT SELECT %3$s FROM %1$s', target, relation, columns
  );
END
$$;
