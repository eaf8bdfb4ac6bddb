-- work of a fixed price whose issue has no creation date has a reason of its own

UPDATE worklogs AS worklog
SET reason = 'issue_undated'
FROM issues AS issue, contracts AS contract
WHERE worklog.reason = 'outside_dates' AND contract.contract_id = worklog.contract_id AND contract.scale_divisor <> 1
  AND issue.source = worklog.source AND issue.issue_id = worklog.issue_id AND issue.created_at IS NULL;

DELETE FROM unaccounted_totals WHERE reason = 'outside_dates';
INSERT INTO unaccounted_totals (contract_id, reason, seconds, worklog_count)
SELECT contract_id, reason, sum(seconds), count(*)
FROM worklogs
WHERE reason IN ('outside_dates', 'issue_undated')
GROUP BY contract_id, reason;
