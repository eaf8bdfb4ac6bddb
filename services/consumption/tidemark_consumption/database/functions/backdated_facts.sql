-- Facts of batches that may affect the same figure of a closed period, in the order learned. To return more than these
-- does no harm: the batches are folded in more waves. `former_*` is the version that holds before. A worklog of a
-- contract that bills hours affects no other fact if it comes once and no link of its issue changes: it is skipped.
--
-- The planner has no statistics of batches that were appended a moment ago, so the function fixes the plan: sets are
-- hashed, lookups in large tables are LATERAL, and each step is MATERIALIZED, or the planner would reorder the joins.
-- depends: first_open_day
CREATE OR REPLACE FUNCTION backdated_facts(batches bigint[], moment timestamptz)
RETURNS TABLE (
  batch bigint, record_offset bigint, kind text, source text, issue_id text, worklog_id text, author_id text,
  former_issue_id text, former_author_id text, is_fixed_price boolean
)
LANGUAGE sql STABLE
SET enable_nestloop = off
AS $$
  WITH facts AS MATERIALIZED (
    SELECT
      fact.batch, fact.record_offset, fact.kind, fact.source, fact.issue_id, fact.worklog_id, fact.author_id,
      fact.started_at, fact.contract_ref
    FROM fact_log AS fact
    WHERE fact.batch = ANY(batches)
  ),
  repeated_worklogs AS MATERIALIZED (
    SELECT fact.source, fact.worklog_id
    FROM facts AS fact
    WHERE fact.kind <> 'linked'
    GROUP BY fact.source, fact.worklog_id
    HAVING count(*) > 1
  ),
  relinked_issues AS MATERIALIZED (
    SELECT DISTINCT fact.source, fact.issue_id FROM facts AS fact WHERE fact.kind = 'linked'
  ),
  relinked_worklogs AS MATERIALIZED (
    SELECT issue.source, worklog.worklog_id
    FROM relinked_issues AS issue
    CROSS JOIN LATERAL (
      SELECT worklog.worklog_id
      FROM worklogs AS worklog
      WHERE worklog.source = issue.source AND worklog.issue_id = issue.issue_id
      OFFSET 0
    ) AS worklog
  ),
  candidates AS MATERIALIZED (
    SELECT
      fact.batch, fact.record_offset, fact.kind, fact.source, fact.issue_id, fact.worklog_id, fact.author_id,
      fact.started_at, former.issue_id AS former_issue_id, former.author_id AS former_author_id,
      former.started_at AS former_started_at
    FROM (
      SELECT fact.batch, fact.record_offset FROM facts AS fact JOIN repeated_worklogs USING (source, worklog_id)
      UNION
      SELECT fact.batch, fact.record_offset FROM facts AS fact JOIN relinked_issues USING (source, issue_id)
      UNION
      SELECT fact.batch, fact.record_offset FROM facts AS fact JOIN relinked_worklogs USING (source, worklog_id)
      UNION
      SELECT fact.batch, fact.record_offset
      FROM facts AS fact
      WHERE EXISTS (SELECT FROM contracts AS contract WHERE contract.scale_divisor <> 1)
    ) AS position
    JOIN facts AS fact USING (batch, record_offset)
    LEFT JOIN LATERAL (
      SELECT worklog.issue_id, worklog.author_id, worklog.started_at
      FROM worklogs AS worklog
      WHERE worklog.source = fact.source AND worklog.worklog_id = fact.worklog_id
      OFFSET 0
    ) AS former ON TRUE
  ),
  -- The issue that holds the work, and the issue that will.
  candidate_issues AS MATERIALIZED (
    SELECT candidate.batch, candidate.record_offset, candidate.source, candidate.issue_id
    FROM candidates AS candidate
    UNION
    SELECT candidate.batch, candidate.record_offset, candidate.source, candidate.former_issue_id
    FROM candidates AS candidate
    WHERE candidate.former_issue_id IS NOT NULL
  ),
  issue_refs AS MATERIALIZED (
    SELECT candidate_issue.source, candidate_issue.issue_id, issue.contract_ref
    FROM (SELECT DISTINCT source, issue_id FROM candidate_issues) AS candidate_issue
    CROSS JOIN LATERAL (
      SELECT issue.contract_ref
      FROM issues AS issue
      WHERE issue.source = candidate_issue.source AND issue.issue_id = candidate_issue.issue_id
      OFFSET 0
    ) AS issue
  ),
  candidate_refs AS MATERIALIZED (
    SELECT candidate_issue.batch, candidate_issue.record_offset, issue.contract_ref
    FROM issue_refs AS issue
    JOIN candidate_issues AS candidate_issue USING (source, issue_id)
    UNION
    SELECT candidate_issue.batch, candidate_issue.record_offset, fact.contract_ref
    FROM candidate_issues AS candidate_issue
    JOIN facts AS fact USING (source, issue_id)
    WHERE fact.kind = 'linked'
  ),
  closed_contracts AS MATERIALIZED (
    SELECT candidate_ref.contract_ref, contract.is_fixed_price, closed_period.last_day
    FROM (
      SELECT DISTINCT contract_ref FROM candidate_refs WHERE contract_ref IS NOT NULL
    ) AS candidate_ref
    CROSS JOIN LATERAL (
      SELECT contract_ref.contract_id
      FROM contract_refs AS contract_ref
      WHERE contract_ref.ref = candidate_ref.contract_ref
      OFFSET 0
    ) AS holder
    CROSS JOIN LATERAL (
      SELECT
        contract.scale_divisor <> 1 AS is_fixed_price,
        first_open_day(
          contract.status, contract.timezone, contract.activated_at, contract.settle_days, moment
        ) AS open_day
      FROM contracts AS contract
      WHERE contract.contract_id = holder.contract_id
      OFFSET 0
    ) AS contract
    CROSS JOIN LATERAL (
      SELECT max(period.period_end) AS last_day
      FROM periods AS period
      LEFT JOIN statements AS statement
        ON statement.contract_id = period.contract_id AND statement.period_start = period.period_start
      WHERE period.contract_id = holder.contract_id
        AND (period.period_end < contract.open_day OR statement.number IS NOT NULL)
    ) AS closed_period
    WHERE closed_period.last_day IS NOT NULL
  ),
  backdated_candidates AS MATERIALIZED (
    SELECT
      candidate.batch, candidate.record_offset, candidate.source, candidate.worklog_id,
      bool_or(contract.is_fixed_price) AS is_fixed_price
    FROM candidate_refs AS candidate_ref
    JOIN closed_contracts AS contract USING (contract_ref)
    JOIN candidates AS candidate USING (batch, record_offset)
    WHERE candidate.kind = 'linked' OR contract.is_fixed_price
      -- Two days: no zone is further from UTC.
      OR least(candidate.started_at, candidate.former_started_at)
        < (contract.last_day + 2)::timestamp AT TIME ZONE 'UTC'
      OR (candidate.kind = 'deleted' AND candidate.former_started_at IS NULL)
    GROUP BY candidate.batch, candidate.record_offset, candidate.source, candidate.worklog_id
  ),
  -- A worklog with a backdated version: all its versions.
  backdated_worklogs AS MATERIALIZED (
    SELECT fact.source, fact.worklog_id, bool_or(fact.is_fixed_price) AS is_fixed_price
    FROM backdated_candidates AS fact
    WHERE fact.worklog_id IS NOT NULL
    GROUP BY fact.source, fact.worklog_id
  )
  SELECT
    candidate.batch, candidate.record_offset, candidate.kind, candidate.source, candidate.issue_id,
    candidate.worklog_id, candidate.author_id, candidate.former_issue_id, candidate.former_author_id,
    coalesce(worklog.is_fixed_price, fact.is_fixed_price)
  FROM candidates AS candidate
  LEFT JOIN backdated_candidates AS fact USING (batch, record_offset)
  LEFT JOIN backdated_worklogs AS worklog
    ON worklog.source = candidate.source AND worklog.worklog_id = candidate.worklog_id
  WHERE fact.record_offset IS NOT NULL OR worklog.worklog_id IS NOT NULL
  ORDER BY candidate.batch, candidate.record_offset
$$;
