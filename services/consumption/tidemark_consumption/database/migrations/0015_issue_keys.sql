-- issues are found by their key
-- depends: 0014_verifications

-- migrate: apply

CREATE INDEX fact_log_links_by_key ON fact_log (issue_key) WHERE kind = 'linked' AND issue_key IS NOT NULL;

-- migrate: rollback

DO $$
BEGIN
  RAISE EXCEPTION 'This migration cannot be rolled back: restore a backup from before it.';
END
$$;
