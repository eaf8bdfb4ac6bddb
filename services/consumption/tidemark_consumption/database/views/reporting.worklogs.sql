-- One row for each worklog that counts (SPEC 3).
CREATE OR REPLACE VIEW reporting.worklogs AS
SELECT
  worklog.source, worklog.worklog_id, worklog.issue_id, link.issue_key, worklog.contract_id,
  contract.code AS contract_code, worklog.account_id, account.name AS account_name, worklog.team_id,
  team.name AS team_name, worklog.author_id, author.name AS author_name, account.billable, worklog.period_start,
  worklog.day, worklog.started_at, worklog.seconds,
  CASE WHEN contract.scale_divisor <> 1 THEN rating.amount END AS amount_exact,
  recorded.description
FROM worklogs AS worklog
JOIN contracts AS contract USING (contract_id)
JOIN accounts AS account USING (contract_id, account_id)
JOIN issues AS issue ON issue.source = worklog.source AND issue.issue_id = worklog.issue_id
JOIN fact_log AS link ON link.batch = issue.batch AND link.record_offset = issue.record_offset
JOIN fact_log AS recorded ON recorded.batch = worklog.batch AND recorded.record_offset = worklog.record_offset
LEFT JOIN teams AS team USING (team_id)
LEFT JOIN ratings AS rating ON rating.source = worklog.source AND rating.worklog_id = worklog.worklog_id
-- The name of that day, in the team of the work before others; else the latest name.
LEFT JOIN LATERAL (
  SELECT membership.name
  FROM memberships AS membership
  WHERE membership.person_id = worklog.author_id AND membership.name IS NOT NULL
  ORDER BY
    worklog.day BETWEEN membership.first_day AND membership.last_day DESC,
    coalesce(membership.team_id = worklog.team_id, FALSE) DESC, membership.first_day DESC, membership.team_id
  LIMIT 1
) AS author ON TRUE
WHERE worklog.reason IS NULL;
COMMENT ON VIEW reporting.worklogs IS 'One row for each worklog that counts, with its person, links and amount.';
