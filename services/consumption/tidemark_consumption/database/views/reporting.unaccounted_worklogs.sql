-- One row for each worklog that does not count, and why (SPEC W5).
-- depends: hours
CREATE OR REPLACE VIEW reporting.unaccounted_worklogs AS
SELECT
  worklog.source, worklog.worklog_id, worklog.issue_id, worklog.author_id, worklog.started_at,
  worklog.seconds, hours(worklog.seconds) AS hours, worklog.reason, worklog.contract_id, worklog.account_id,
  issue.contract_ref,
  CASE WHEN issue.contract_ref IS NOT NULL THEN issue.account_ref END AS account_ref
FROM worklogs AS worklog
LEFT JOIN issues AS issue USING (source, issue_id)
WHERE worklog.reason IS NOT NULL;
COMMENT ON VIEW reporting.unaccounted_worklogs IS
'One row for each worklog that does not count, and why (SPEC W5).';
