-- One row for each worklog that does not count, and why (SPEC W5).
-- depends: hours
CREATE OR REPLACE VIEW reporting.unaccounted_worklogs AS
SELECT
  worklog.source, worklog.worklog_id, worklog.issue_id, worklog.author_id, worklog.started_at,
  worklog.seconds, hours(worklog.seconds) AS hours, worklog.reason, worklog.contract_id, worklog.account_id,
  issue.contract_ref,
  CASE WHEN issue.contract_ref IS NOT NULL THEN issue.account_ref END AS account_ref,
  author.name AS author_name
FROM worklogs AS worklog
LEFT JOIN issues AS issue USING (source, issue_id)
LEFT JOIN LATERAL (
  SELECT membership.name
  FROM memberships AS membership
  WHERE membership.person_id = worklog.author_id AND membership.name IS NOT NULL
  ORDER BY
    (worklog.started_at AT TIME ZONE 'UTC')::date BETWEEN membership.first_day AND membership.last_day DESC,
    membership.first_day DESC, membership.team_id
  LIMIT 1
) AS author ON TRUE
WHERE worklog.reason IS NOT NULL;
COMMENT ON VIEW reporting.unaccounted_worklogs IS
'One row for each worklog that does not count, and why (SPEC W5).';
