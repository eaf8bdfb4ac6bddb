-- issues are found by their key

CREATE INDEX fact_log_links_by_key ON fact_log (issue_key) WHERE kind = 'linked' AND issue_key IS NOT NULL;
