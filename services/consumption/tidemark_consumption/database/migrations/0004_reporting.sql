-- the relations that operations teams read: SPEC 3

CREATE FUNCTION hours(seconds numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN round(seconds / 3600, 4);

-- Units as shown seconds; null for a fixed price.
CREATE FUNCTION as_seconds(units numeric, per_shown integer) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN per_shown = 1 THEN units END;

-- Units as shown minor units of the currency, rounded once; null for time and materials.
CREATE FUNCTION as_minor(units numeric, per_shown integer) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN per_shown <> 1 THEN half_even(units, per_shown) END;

-- Minor units as a decimal of the currency: 1050 of EUR are 10.50.
CREATE FUNCTION decimal_amount(minor bigint, digits integer) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN round(minor / power(10::numeric, digits), digits);

CREATE VIEW reporting.contracts AS
SELECT
  c.contract_id, c.code AS contract_code, c.name AS contract_name,
  c.organization_id, o.name AS organization_name, c.owner_name, c.owner_email,
  c.type, c.recurrence, c.start_date, c.end_date, c.timezone, c.status,
  as_seconds(f.planned, c.per_shown) AS planned_seconds,
  hours(as_seconds(f.planned, c.per_shown)) AS planned_hours,
  f.seconds AS consumed_seconds,
  hours(f.seconds) AS consumed_hours,
  CASE WHEN c.per_shown <> 1 THEN f.unrated_seconds END AS unrated_seconds,
  m.planned AS planned_amount_minor,
  decimal_amount(m.planned, c.currency_digits) AS planned_amount,
  m.consumed AS consumed_amount_minor,
  decimal_amount(m.consumed, c.currency_digits) AS consumed_amount,
  c.currency,
  percent(f.consumed, f.planned) AS percent,
  f.worklogs AS worklog_count,
  as_seconds(f.planned - f.consumed, c.per_shown) AS remaining_seconds,
  hours(as_seconds(f.planned - f.consumed, c.per_shown)) AS remaining_hours,
  m.remaining AS remaining_amount_minor,
  decimal_amount(m.remaining, c.currency_digits) AS remaining_amount,
  coalesce(u.seconds, 0)::bigint AS unaccounted_seconds,
  hours(coalesce(u.seconds, 0)) AS unaccounted_hours,
  b.updated_at
FROM contracts AS c
JOIN balances AS b USING (contract_id)
LEFT JOIN organizations AS o USING (organization_id)
JOIN (
  SELECT
    contract_id, sum(planned) AS planned, sum(consumed) AS consumed, sum(seconds)::bigint AS seconds,
    sum(unrated_seconds)::bigint AS unrated_seconds, sum(worklogs)::bigint AS worklogs
  FROM plain_period_figures
  GROUP BY contract_id
) AS f USING (contract_id)
CROSS JOIN LATERAL (
  SELECT
    as_minor(f.planned, c.per_shown) AS planned, as_minor(f.consumed, c.per_shown) AS consumed,
    as_minor(f.planned - f.consumed, c.per_shown) AS remaining
) AS m
LEFT JOIN (SELECT contract_id, sum(seconds) AS seconds FROM unaccounted GROUP BY contract_id) AS u USING (contract_id)
WHERE c.status IS NOT NULL;

CREATE VIEW reporting.contract_periods AS
SELECT
  c.contract_id, c.code AS contract_code, f.period_start, f.period_end,
  as_seconds(f.planned, c.per_shown) AS planned_seconds,
  hours(as_seconds(f.planned, c.per_shown)) AS planned_hours,
  f.seconds AS consumed_seconds,
  hours(f.seconds) AS consumed_hours,
  CASE WHEN c.per_shown <> 1 THEN f.unrated_seconds END AS unrated_seconds,
  m.planned AS planned_amount_minor,
  decimal_amount(m.planned, c.currency_digits) AS planned_amount,
  m.consumed AS consumed_amount_minor,
  decimal_amount(m.consumed, c.currency_digits) AS consumed_amount,
  c.currency,
  percent(f.consumed, f.available) AS percent,
  f.worklogs AS worklog_count,
  as_seconds(f.carried, c.per_shown) AS carried_seconds,
  hours(as_seconds(f.carried, c.per_shown)) AS carried_hours,
  as_seconds(f.available, c.per_shown) AS available_seconds,
  hours(as_seconds(f.available, c.per_shown)) AS available_hours,
  as_seconds(f.available - f.consumed, c.per_shown) AS remaining_seconds,
  hours(as_seconds(f.available - f.consumed, c.per_shown)) AS remaining_hours,
  m.carried AS carried_amount_minor,
  decimal_amount(m.carried, c.currency_digits) AS carried_amount,
  m.available AS available_amount_minor,
  decimal_amount(m.available, c.currency_digits) AS available_amount,
  m.remaining AS remaining_amount_minor,
  decimal_amount(m.remaining, c.currency_digits) AS remaining_amount
FROM contracts AS c
JOIN period_figures AS f USING (contract_id)
CROSS JOIN LATERAL (
  SELECT
    as_minor(f.planned, c.per_shown) AS planned, as_minor(f.consumed, c.per_shown) AS consumed,
    as_minor(f.carried, c.per_shown) AS carried, as_minor(f.available, c.per_shown) AS available,
    as_minor(f.available - f.consumed, c.per_shown) AS remaining
) AS m
WHERE c.status IS NOT NULL;

CREATE VIEW reporting.account_consumption AS
SELECT
  c.contract_id, c.code AS contract_code, a.account_id, a.name AS account_name, a.billable,
  f.period_start, f.period_end,
  as_seconds(f.planned, c.per_shown) AS planned_seconds,
  hours(as_seconds(f.planned, c.per_shown)) AS planned_hours,
  f.seconds AS consumed_seconds,
  hours(f.seconds) AS consumed_hours,
  CASE WHEN c.per_shown <> 1 THEN f.unrated_seconds END AS unrated_seconds,
  m.planned AS planned_amount_minor,
  decimal_amount(m.planned, c.currency_digits) AS planned_amount,
  m.consumed AS consumed_amount_minor,
  decimal_amount(m.consumed, c.currency_digits) AS consumed_amount,
  c.currency,
  percent(f.consumed, f.planned) AS percent,
  f.worklogs AS worklog_count
FROM contracts AS c
JOIN accounts AS a USING (contract_id)
JOIN account_figures AS f USING (contract_id, account_id)
CROSS JOIN LATERAL (
  SELECT as_minor(f.planned, c.per_shown) AS planned, as_minor(f.consumed, c.per_shown) AS consumed
) AS m
WHERE c.status IS NOT NULL;

CREATE VIEW reporting.account_totals AS
SELECT
  c.contract_id, c.code AS contract_code, a.account_id, a.name AS account_name, a.billable,
  c.start_date AS period_start, c.end_date AS period_end,
  as_seconds(f.planned, c.per_shown) AS planned_seconds,
  hours(as_seconds(f.planned, c.per_shown)) AS planned_hours,
  f.seconds AS consumed_seconds,
  hours(f.seconds) AS consumed_hours,
  CASE WHEN c.per_shown <> 1 THEN f.unrated_seconds END AS unrated_seconds,
  m.planned AS planned_amount_minor,
  decimal_amount(m.planned, c.currency_digits) AS planned_amount,
  m.consumed AS consumed_amount_minor,
  decimal_amount(m.consumed, c.currency_digits) AS consumed_amount,
  c.currency,
  percent(f.consumed, f.planned) AS percent,
  f.worklogs AS worklog_count
FROM contracts AS c
JOIN accounts AS a USING (contract_id)
JOIN (
  SELECT
    contract_id, account_id, sum(planned) AS planned, sum(consumed) AS consumed, sum(seconds)::bigint AS seconds,
    sum(unrated_seconds)::bigint AS unrated_seconds, sum(worklogs)::bigint AS worklogs
  FROM account_figures
  GROUP BY contract_id, account_id
) AS f USING (contract_id, account_id)
CROSS JOIN LATERAL (
  SELECT as_minor(f.planned, c.per_shown) AS planned, as_minor(f.consumed, c.per_shown) AS consumed
) AS m
WHERE c.status IS NOT NULL;

CREATE VIEW reporting.slice_consumption AS
SELECT
  c.contract_id, c.code AS contract_code, a.account_id, a.name AS account_name,
  f.team_id, t.name AS team_name, f.period_start, f.period_end,
  as_seconds(f.planned, c.per_shown) AS planned_seconds,
  hours(as_seconds(f.planned, c.per_shown)) AS planned_hours,
  f.seconds AS consumed_seconds,
  hours(f.seconds) AS consumed_hours,
  CASE WHEN c.per_shown <> 1 THEN f.unrated_seconds END AS unrated_seconds,
  -- A slice of a fixed price has no plan.
  NULL::bigint AS planned_amount_minor,
  NULL::numeric AS planned_amount,
  as_minor(f.consumed, c.per_shown) AS consumed_amount_minor,
  decimal_amount(as_minor(f.consumed, c.per_shown), c.currency_digits) AS consumed_amount,
  c.currency,
  percent(f.consumed, f.planned) AS percent,
  f.worklogs AS worklog_count
FROM contracts AS c
JOIN accounts AS a USING (contract_id)
JOIN share_figures AS f USING (contract_id, account_id)
LEFT JOIN teams AS t USING (team_id)
WHERE c.status IS NOT NULL;

CREATE VIEW reporting.daily_consumption AS
SELECT
  c.contract_id, c.code AS contract_code, d.account_id, a.name AS account_name, d.team_id, t.name AS team_name,
  d.day,
  d.seconds AS consumed_seconds,
  hours(d.seconds) AS consumed_hours,
  as_minor(d.amount, c.per_shown) AS consumed_amount_minor,
  decimal_amount(as_minor(d.amount, c.per_shown), c.currency_digits) AS consumed_amount,
  c.currency,
  d.worklogs AS worklog_count
FROM (
  SELECT
    contract_id, account_id, team_id, day, sum(seconds)::bigint AS seconds, sum(amount) AS amount,
    sum(worklogs)::bigint AS worklogs
  FROM days
  GROUP BY contract_id, account_id, team_id, day
) AS d
JOIN contracts AS c USING (contract_id)
JOIN accounts AS a USING (contract_id, account_id)
LEFT JOIN teams AS t USING (team_id);

CREATE VIEW reporting.unaccounted_worklogs AS
SELECT
  w.source, w.worklog_id, w.issue_id, w.author_id, w.started_at, w.seconds, hours(w.seconds) AS hours, w.reason,
  w.contract_id, w.account_id,
  i.contract_ref,
  CASE WHEN i.contract_ref IS NOT NULL THEN i.account_ref END AS account_ref
FROM worklogs AS w
JOIN issues AS i USING (source, issue_id)
WHERE w.reason IS NOT NULL;

CREATE VIEW reporting.restatements AS
SELECT
  r.contract_id, c.code AS contract_code, r.account_id, a.name AS account_name, r.period_start, r.period_end,
  r.before_seconds, hours(r.before_seconds) AS before_hours,
  r.after_seconds, hours(r.after_seconds) AS after_hours,
  as_minor(r.before_amount, 3600) AS before_amount_minor,
  as_minor(r.after_amount, 3600) AS after_amount_minor,
  r.cause, r.restated_at, r.restatement
FROM restatements AS r
JOIN contracts AS c USING (contract_id)
LEFT JOIN accounts AS a USING (contract_id, account_id);

COMMENT ON VIEW reporting.contracts IS 'One row a contract: what is planned and executed over all its periods, billable accounts alone.';
COMMENT ON VIEW reporting.contract_periods IS 'One row a contract and period, billable accounts alone.';
COMMENT ON VIEW reporting.account_consumption IS 'One row an account and period, with zeros where no work is.';
COMMENT ON VIEW reporting.account_totals IS 'One row an account, over all periods of its contract.';
COMMENT ON VIEW reporting.slice_consumption IS 'One row a slice and period, with zeros too; the unassigned share (team_id null) and teams without a slice only where work is on them.';
COMMENT ON VIEW reporting.daily_consumption IS 'One row an account, team and day of work.';
COMMENT ON VIEW reporting.unaccounted_worklogs IS 'One row a worklog that does not count, and why (SPEC W5).';
COMMENT ON VIEW reporting.restatements IS 'What changed of a closed period or contract after it was closed: one row a change of an account''s figure, in the order learned.';

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
    "remaining_seconds": "Planned (a contract''s period: available) less consumed, negative on overrun.", "remaining_hours": "The same in hours.",
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
    "planned_amount": "Fixed price: planned amount in the currency; else null.",
    "consumed_amount": "Fixed price: consumed amount in the currency; else null.",
    "remaining_amount": "The same in the currency.", "carried_amount": "The same in the currency.",
    "available_amount": "The same in the currency.",
    "before_seconds": "Time that counted before, whole seconds.", "before_hours": "The same in hours.",
    "after_seconds": "Time that counts since, whole seconds.", "after_hours": "The same in hours.",
    "before_amount_minor": "Fixed price: consumed before, minor units; else null.",
    "after_amount_minor": "Fixed price: consumed since, minor units; else null.",
    "cause": "What changed it: worklog:SOURCE/ID, issue:SOURCE/ID, contract:VERSION, membership:TEAM/PERSON or rate_card:ID.",
    "restated_at": "When Tidemark learned of it.", "restatement": "Number in the order learned.",
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
        'daily_consumption', 'unaccounted_worklogs', 'restatements'
      )
  LOOP
    EXECUTE format('COMMENT ON COLUMN reporting.%I.%I IS %L', one.relname, one.attname, described ->> one.attname);
  END LOOP;
END
$$;
