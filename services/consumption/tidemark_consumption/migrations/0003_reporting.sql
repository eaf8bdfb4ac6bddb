-- the relations that operations teams read: SPEC 3
-- depends: 0002_balance

-- migrate: apply

CREATE FUNCTION hours(seconds numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN round(seconds / 3600, 4);

CREATE VIEW contract_work AS
SELECT s.contract_id, s.period_start, sum(s.seconds) AS seconds, sum(s.worklogs) AS worklogs
FROM shares AS s
JOIN accounts AS a USING (contract_id, account_id)
WHERE a.billable
GROUP BY s.contract_id, s.period_start;
COMMENT ON VIEW contract_work IS 'What counts of billable accounts, by period.';

CREATE VIEW reporting.contracts AS
SELECT
  c.contract_id, c.code AS contract_code, c.name AS contract_name,
  c.organization_id, o.name AS organization_name, c.owner_name, c.owner_email,
  c.type, c.recurrence, c.start_date, c.end_date, c.timezone, c.status,
  c.contracted_seconds * p.periods AS planned_seconds,
  hours(c.contracted_seconds * p.periods) AS planned_hours,
  coalesce(w.seconds, 0)::bigint AS consumed_seconds,
  hours(coalesce(w.seconds, 0)) AS consumed_hours,
  NULL::bigint AS unrated_seconds,
  NULL::bigint AS planned_amount_minor,
  NULL::bigint AS consumed_amount_minor,
  NULL::text AS currency,
  percent(coalesce(w.seconds, 0), c.contracted_seconds * p.periods) AS percent,
  coalesce(w.worklogs, 0)::bigint AS worklog_count,
  (c.contracted_seconds * p.periods - coalesce(w.seconds, 0))::bigint AS remaining_seconds,
  hours(c.contracted_seconds * p.periods - coalesce(w.seconds, 0)) AS remaining_hours,
  NULL::bigint AS remaining_amount_minor,
  coalesce(u.seconds, 0)::bigint AS unaccounted_seconds,
  hours(coalesce(u.seconds, 0)) AS unaccounted_hours,
  b.updated_at
FROM contracts AS c
JOIN balances AS b USING (contract_id)
LEFT JOIN organizations AS o USING (organization_id)
JOIN (SELECT contract_id, count(*) AS periods FROM periods GROUP BY contract_id) AS p USING (contract_id)
LEFT JOIN (
  SELECT contract_id, sum(seconds) AS seconds, sum(worklogs) AS worklogs FROM contract_work GROUP BY contract_id
) AS w USING (contract_id)
LEFT JOIN (SELECT contract_id, sum(seconds) AS seconds FROM unaccounted GROUP BY contract_id) AS u USING (contract_id)
WHERE c.status IS NOT NULL;

CREATE VIEW reporting.contract_periods AS
SELECT
  c.contract_id, c.code AS contract_code, p.period_start, p.period_end,
  c.contracted_seconds AS planned_seconds,
  hours(c.contracted_seconds) AS planned_hours,
  coalesce(w.seconds, 0)::bigint AS consumed_seconds,
  hours(coalesce(w.seconds, 0)) AS consumed_hours,
  NULL::bigint AS unrated_seconds,
  NULL::bigint AS planned_amount_minor,
  NULL::bigint AS consumed_amount_minor,
  NULL::text AS currency,
  percent(coalesce(w.seconds, 0), c.contracted_seconds) AS percent,
  coalesce(w.worklogs, 0)::bigint AS worklog_count,
  0::bigint AS carried_seconds,
  hours(0) AS carried_hours,
  c.contracted_seconds AS available_seconds,
  hours(c.contracted_seconds) AS available_hours,
  NULL::bigint AS carried_amount_minor,
  NULL::bigint AS available_amount_minor
FROM contracts AS c
JOIN periods AS p USING (contract_id)
LEFT JOIN contract_work AS w USING (contract_id, period_start)
WHERE c.status IS NOT NULL;

CREATE VIEW reporting.account_consumption AS
SELECT
  c.contract_id, c.code AS contract_code, a.account_id, a.name AS account_name, a.billable,
  p.period_start, p.period_end,
  a.planned_seconds,
  hours(a.planned_seconds) AS planned_hours,
  coalesce(w.seconds, 0)::bigint AS consumed_seconds,
  hours(coalesce(w.seconds, 0)) AS consumed_hours,
  NULL::bigint AS unrated_seconds,
  NULL::bigint AS planned_amount_minor,
  NULL::bigint AS consumed_amount_minor,
  NULL::text AS currency,
  percent(coalesce(w.seconds, 0), a.planned_seconds) AS percent,
  coalesce(w.worklogs, 0)::bigint AS worklog_count
FROM contracts AS c
JOIN accounts AS a USING (contract_id)
JOIN periods AS p USING (contract_id)
LEFT JOIN (
  SELECT contract_id, account_id, period_start, sum(seconds) AS seconds, sum(worklogs) AS worklogs
  FROM shares
  GROUP BY contract_id, account_id, period_start
) AS w USING (contract_id, account_id, period_start)
WHERE c.status IS NOT NULL;

CREATE VIEW reporting.account_totals AS
SELECT
  c.contract_id, c.code AS contract_code, a.account_id, a.name AS account_name, a.billable,
  c.start_date AS period_start, c.end_date AS period_end,
  a.planned_seconds * p.periods AS planned_seconds,
  hours(a.planned_seconds * p.periods) AS planned_hours,
  coalesce(w.seconds, 0)::bigint AS consumed_seconds,
  hours(coalesce(w.seconds, 0)) AS consumed_hours,
  NULL::bigint AS unrated_seconds,
  NULL::bigint AS planned_amount_minor,
  NULL::bigint AS consumed_amount_minor,
  NULL::text AS currency,
  percent(coalesce(w.seconds, 0), a.planned_seconds * p.periods) AS percent,
  coalesce(w.worklogs, 0)::bigint AS worklog_count
FROM contracts AS c
JOIN accounts AS a USING (contract_id)
JOIN (SELECT contract_id, count(*) AS periods FROM periods GROUP BY contract_id) AS p USING (contract_id)
LEFT JOIN (
  SELECT contract_id, account_id, sum(seconds) AS seconds, sum(worklogs) AS worklogs
  FROM shares
  GROUP BY contract_id, account_id
) AS w USING (contract_id, account_id)
WHERE c.status IS NOT NULL;

CREATE VIEW reporting.slice_consumption AS
SELECT
  c.contract_id, c.code AS contract_code, a.account_id, a.name AS account_name,
  r.team_id, t.name AS team_name, p.period_start, p.period_end,
  r.planned_seconds,
  hours(r.planned_seconds) AS planned_hours,
  coalesce(s.seconds, 0)::bigint AS consumed_seconds,
  hours(coalesce(s.seconds, 0)) AS consumed_hours,
  NULL::bigint AS unrated_seconds,
  NULL::bigint AS planned_amount_minor,
  NULL::bigint AS consumed_amount_minor,
  NULL::text AS currency,
  percent(coalesce(s.seconds, 0), r.planned_seconds) AS percent,
  coalesce(s.worklogs, 0)::bigint AS worklog_count
FROM contracts AS c
JOIN accounts AS a USING (contract_id)
JOIN periods AS p USING (contract_id)
JOIN (
  -- A slice has its row in every period; the unassigned share and a team without a slice only where work is.
  SELECT s.contract_id, s.account_id, s.team_id, s.planned_seconds, p.period_start
  FROM account_teams AS s
  JOIN periods AS p USING (contract_id)
  WHERE s.is_slice
  UNION ALL
  SELECT s.contract_id, s.account_id, s.team_id, NULL::bigint, s.period_start
  FROM shares AS s
  LEFT JOIN account_teams AS t USING (contract_id, account_id, team_id)
  WHERE t.is_slice IS NOT TRUE
) AS r ON r.contract_id = a.contract_id AND r.account_id = a.account_id AND r.period_start = p.period_start
LEFT JOIN shares AS s
  ON s.contract_id = r.contract_id AND s.account_id = r.account_id AND s.period_start = r.period_start
  AND s.team_id IS NOT DISTINCT FROM r.team_id
LEFT JOIN teams AS t ON t.team_id = r.team_id
WHERE c.status IS NOT NULL;

CREATE VIEW reporting.daily_consumption AS
SELECT
  d.contract_id, c.code AS contract_code, d.account_id, a.name AS account_name, d.team_id, t.name AS team_name,
  d.day,
  d.seconds AS consumed_seconds,
  hours(d.seconds) AS consumed_hours,
  NULL::bigint AS consumed_amount_minor,
  d.worklogs AS worklog_count
FROM days AS d
JOIN contracts AS c USING (contract_id)
JOIN accounts AS a USING (contract_id, account_id)
LEFT JOIN teams AS t ON t.team_id = d.team_id;

CREATE VIEW reporting.unaccounted_worklogs AS
SELECT
  w.source, w.worklog_id, w.issue_id, w.author_id, w.started_at, w.seconds, hours(w.seconds) AS hours, w.reason,
  w.contract_id, w.account_id,
  i.contract_ref,
  CASE WHEN i.contract_ref IS NOT NULL THEN i.account_ref END AS account_ref
FROM worklogs AS w
JOIN issues AS i USING (source, issue_id)
WHERE w.reason IS NOT NULL;

COMMENT ON VIEW reporting.contracts IS 'One row a contract: what is planned and executed over all its periods, billable accounts alone.';
COMMENT ON VIEW reporting.contract_periods IS 'One row a contract and period, billable accounts alone.';
COMMENT ON VIEW reporting.account_consumption IS 'One row an account and period, with zeros where no work is.';
COMMENT ON VIEW reporting.account_totals IS 'One row an account, over all periods of its contract.';
COMMENT ON VIEW reporting.slice_consumption IS 'One row a slice and period, with zeros too; the unassigned share (team_id null) and teams without a slice only where work is on them.';
COMMENT ON VIEW reporting.daily_consumption IS 'One row an account, team and day of work.';
COMMENT ON VIEW reporting.unaccounted_worklogs IS 'One row a worklog that does not count, and why (SPEC W5).';

-- The same column means the same everywhere, so it is described once.
DO $$
DECLARE
  described jsonb := '{
    "contract_id": "Id of the contract.", "contract_code": "Its code, for people; never changes.",
    "contract_name": "Its name.", "organization_id": "Id of the customer.", "organization_name": "Name of the customer.",
    "owner_name": "Who answers for the contract at the provider.", "owner_email": "Where the owner is written to.",
    "type": "time_and_materials or fixed_price.", "recurrence": "none: one period; monthly: a period a month.",
    "start_date": "First day of the contract, in its time zone.", "end_date": "Last day of the contract, in its time zone.",
    "timezone": "IANA name; the contract''s days begin and end there.",
    "status": "DRAFT, ACTIVE, INACTIVE, EXPIRED or CLOSED.",
    "account_id": "Id of the account; null where it is not known.", "account_name": "Name of the account.",
    "billable": "Whether it counts towards the contract''s total.",
    "team_id": "Id of the team; null for work that is no team''s.", "team_name": "Name of the team; null for work that is no team''s.",
    "period_start": "First day of the period.", "period_end": "Last day of the period.", "day": "Day of the work in the contract''s time zone.",
    "planned_seconds": "Planned time, whole seconds; null where nothing is planned.", "planned_hours": "Planned time in hours.",
    "consumed_seconds": "Time that counts, whole seconds.", "consumed_hours": "Time that counts in hours.",
    "unrated_seconds": "Fixed price: time of persons without a rate; else null.",
    "planned_amount_minor": "Fixed price: planned amount in minor units; else null.",
    "consumed_amount_minor": "Fixed price: consumed amount in minor units; else null.",
    "currency": "Fixed price: ISO 4217; else null.",
    "percent": "Consumed of planned (a contract''s period: of available), two decimals, half-even; null where the plan is not above zero.",
    "worklog_count": "Number of worklogs that count.",
    "remaining_seconds": "Planned less consumed, negative on overrun.", "remaining_hours": "The same in hours.",
    "remaining_amount_minor": "Fixed price: planned less consumed in minor units; else null.",
    "unaccounted_seconds": "Time logged on issues that name the contract and that does not count.", "unaccounted_hours": "The same in hours.",
    "updated_at": "When the balance last changed.",
    "carried_seconds": "Time carried into the period, negative for a deduction.", "carried_hours": "The same in hours.",
    "available_seconds": "Planned and carried together.", "available_hours": "The same in hours.",
    "carried_amount_minor": "Fixed price: amount carried into the period; else null.",
    "available_amount_minor": "Fixed price: planned and carried together; else null.",
    "source": "ce_source of the tracker.", "worklog_id": "Id of the worklog in its source.", "issue_id": "Id of the issue in its source.",
    "author_id": "Person who worked, as the source knows them.", "started_at": "When the work started.",
    "seconds": "Time worked, whole seconds.", "hours": "Time worked in hours.",
    "reason": "Why it does not count: the first that holds of SPEC W5.",
    "contract_ref": "The contract as the link names it; null where the issue is not linked.",
    "account_ref": "The account as the link names it; null where the issue is not linked."
  }';
  one record;
BEGIN
  FOR one IN
    SELECT c.relname, a.attname
    FROM pg_class AS c
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
    WHERE c.relnamespace = 'reporting'::regnamespace AND c.relkind = 'v'
      AND c.relname IN (
        'contracts', 'contract_periods', 'account_consumption', 'account_totals', 'slice_consumption',
        'daily_consumption', 'unaccounted_worklogs'
      )
  LOOP
    EXECUTE format('COMMENT ON COLUMN reporting.%I.%I IS %L', one.relname, one.attname, described ->> one.attname);
  END LOOP;
END
$$;

-- migrate: rollback

DROP VIEW reporting.unaccounted_worklogs, reporting.daily_consumption, reporting.slice_consumption,
reporting.account_totals, reporting.account_consumption, reporting.contract_periods, reporting.contracts, contract_work;
DROP FUNCTION hours;
