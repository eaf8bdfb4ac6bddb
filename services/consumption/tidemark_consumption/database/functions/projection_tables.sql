-- The tables that follow from the logs. Restatements do not: they also depend on when a fact was learned.
CREATE OR REPLACE FUNCTION projection_tables() RETURNS text[]
LANGUAGE sql IMMUTABLE
RETURN ARRAY[
  'organizations', 'teams', 'memberships', 'rate_cards', 'holidays', 'contracts', 'contract_refs', 'accounts',
  'account_refs', 'account_teams', 'periods', 'adjustments', 'issues', 'worklogs', 'ratings', 'account_team_totals',
  'daily_totals', 'unaccounted_totals'
];
