-- tables and columns take the standard names; views and functions move to database/views and database/functions

-- `migrate` creates views and functions again after this: see `tidemark_shared.database`.
DROP VIEW
  reporting.contracts, reporting.contract_periods, reporting.account_consumption, reporting.account_totals,
  reporting.slice_consumption, reporting.daily_consumption, reporting.unaccounted_worklogs, reporting.restatements,
  reporting.folded_offsets, period_figures, plain_period_figures, share_figures, account_figures;
DROP FUNCTION
  backdated_facts, balance, figures, current_period, rollover, percent, hours, as_seconds, as_minor, decimal_amount,
  half_even, digest_of, closed_before, projections, key_of, create_shadow_tables, differences, repair, publish_all;

ALTER TABLE shares RENAME TO account_team_totals;
ALTER TABLE days RENAME TO daily_totals;
ALTER TABLE unaccounted RENAME TO unaccounted_totals;
ALTER TABLE account_team_totals RENAME COLUMN worklogs TO worklog_count;
ALTER TABLE daily_totals RENAME COLUMN worklogs TO worklog_count;
ALTER TABLE unaccounted_totals RENAME COLUMN worklogs TO worklog_count;
ALTER TABLE contracts RENAME COLUMN per_shown TO scale_divisor;
ALTER TABLE balances RENAME COLUMN published TO published_revision;
ALTER INDEX contracts_of_fixed_price RENAME TO contracts_fixed_price;

-- Constraints are named after their tables and columns.
DO $$
DECLARE
  renamed record;
BEGIN
  FOR renamed IN
    SELECT
      c.conrelid::regclass AS relation, c.conname AS old_name,
      n.prefix || replace(substr(c.conname, length(n.old_prefix) + 1), '_worklogs_', '_worklog_count_') AS new_name
    FROM pg_constraint AS c
    JOIN (
      VALUES
        ('account_team_totals', 'shares', 'account_team_totals'), ('daily_totals', 'days', 'daily_totals'),
        ('unaccounted_totals', 'unaccounted', 'unaccounted_totals'),
        ('contracts', 'contracts_per_shown', 'contracts_scale_divisor'),
        ('balances', 'balances_published_not', 'balances_published_revision_not')
    ) AS n (relation, old_prefix, prefix) ON c.conrelid = to_regclass(n.relation) AND starts_with(c.conname, n.old_prefix)
  LOOP
    EXECUTE format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', renamed.relation, renamed.old_name, renamed.new_name);
  END LOOP;
END
$$;

COMMENT ON COLUMN contracts.scale_divisor IS
'Exact units in one displayed unit: 1 in a second; 3600 in a minor unit (fixed price).';
COMMENT ON COLUMN worklogs.contract_id IS
'With the columns up to reason: what the worklog counts towards. Kept, so that a change moves exactly what was counted.';
COMMENT ON TABLE account_team_totals IS 'What counts, by account, team and period; only where there is work.';
COMMENT ON TABLE daily_totals IS
'What counts, by account, team and day of the work; only where there is work. The period is not always the period of '
'the day: fixed price counts by the day on which the issue was created.';
COMMENT ON TABLE unaccounted_totals IS
'Work whose issue names the contract and that does not count; only where there is such work.';
COMMENT ON TABLE balances IS
'The outbox of balances. A change only increases the revision, so a busy contract is published once a round. Revisions '
'start at the time in milliseconds, so that a new database is ahead of the one before it.';
COMMENT ON COLUMN balances.day IS
'The latest day of the contract on which a balance was due: each day begins with a new balance, because the current '
'period and the forecast change with it.';
COMMENT ON COLUMN balances.published_at IS 'When it was last published: the contract that has waited longest is next.';
COMMENT ON TABLE projection IS
'One row, locked by the process that folds, so there is one writer. A question about an earlier moment waits for the '
'fold in progress.';
COMMENT ON COLUMN restatements.before_amount IS 'In exact units; null where the contract was not a fixed price.';
