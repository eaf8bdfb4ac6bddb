-- The comments of the columns of `reporting`. A column means the same in every view, so it is described once; a name
-- with its view describes the column of that view alone.
-- depends: reporting.contracts, reporting.contract_periods, reporting.account_consumption, reporting.account_totals
-- depends: reporting.slice_consumption, reporting.daily_consumption, reporting.unaccounted_worklogs
-- depends: reporting.restatements, reporting.worklogs, reporting.statements
DO $$
DECLARE
  descriptions CONSTANT jsonb := '{
    "contract_id": "Id of the contract.",
    "unaccounted_worklogs.contract_id": "Id of the contract; null where it is not known.",
    "contract_code": "Code of the contract, for people; never changes.",
    "contract_name": "Name of the contract.",
    "organization_id": "Id of the customer.",
    "organization_name": "Name of the customer.",
    "owner_name": "Who is responsible for the contract at the provider.",
    "owner_email": "Mail address of the owner.",
    "type": "time_and_materials or fixed_price.",
    "recurrence": "none: one period; monthly: one period a month.",
    "start_date": "First day of the contract, in its time zone.",
    "end_date": "Last day of the contract, in its time zone.",
    "timezone": "IANA name; the days of the contract begin and end there.",
    "status": "DRAFT, ACTIVE, INACTIVE, EXPIRED or CLOSED.",
    "account_id": "Id of the account; null where it is not known.",
    "account_name": "Name of the account.",
    "billable": "Whether it counts towards the total of the contract.",
    "team_id": "Id of the team; null for unassigned work.",
    "team_name": "Name of the team; null for unassigned work.",
    "period_start": "First day of the period.",
    "period_end": "Last day of the period.",
    "day": "Day of the work in the time zone of the contract.",
    "planned_seconds": "Planned time, whole seconds; null where nothing is planned.",
    "planned_hours": "Planned time in hours.",
    "consumed_seconds": "Time that counts, whole seconds.",
    "consumed_hours": "Time that counts in hours.",
    "unrated_seconds": "Fixed price: time of persons without a rate; otherwise null.",
    "planned_amount_minor": "Fixed price: planned amount in minor units; otherwise null.",
    "planned_amount": "Fixed price: planned amount in the currency; otherwise null.",
    "consumed_amount_minor": "Fixed price: consumed amount in minor units; otherwise null.",
    "consumed_amount": "Fixed price: consumed amount in the currency; otherwise null.",
    "currency": "Fixed price: ISO 4217; otherwise null.",
    "percent": "Consumed of planned (in the period of a contract: of available), two decimals, half-even; null where the plan is not above zero.",
    "worklog_count": "Number of worklogs that count.",
    "remaining_seconds": "Planned (in the period of a contract: available) minus consumed, negative on overrun.",
    "remaining_hours": "The same in hours.",
    "remaining_amount_minor": "Fixed price: planned minus consumed in minor units; otherwise null.",
    "remaining_amount": "The same in the currency.",
    "unaccounted_seconds": "Time logged on issues that name the contract and that does not count.",
    "unaccounted_hours": "The same in hours.",
    "renewed_from": "Id of the contract that this one renews; null where it renews none.",
    "renewed_as": "Id of the contract that renews this one; null where it was not renewed.",
    "exhausts_on": "Day on which what the current period has available is used up at the present pace, as last published; null where it lasts, or no forecast is possible.",
    "exhausts_low": "The earliest such day: if every week were like the busiest of the last eight.",
    "exhausts_high": "The latest such day: if every week were like the quietest of the last eight; null where it lasts then.",
    "updated_at": "When the balance last changed.",
    "carried_seconds": "Time carried into the period, negative for a deduction.",
    "carried_hours": "The same in hours.",
    "carried_amount_minor": "Fixed price: amount carried into the period; otherwise null.",
    "carried_amount": "The same in the currency.",
    "available_seconds": "Planned and carried together.",
    "available_hours": "The same in hours.",
    "available_amount_minor": "Fixed price: planned and carried together; otherwise null.",
    "available_amount": "The same in the currency.",
    "source": "ce_source of the tracker.",
    "worklog_id": "Id of the worklog in its source.",
    "issue_id": "Id of the issue in its source.",
    "issue_key": "Key of the issue, for people; null where the link has none.",
    "author_id": "Person who worked, as the source identifies them.",
    "author_name": "Name of the person in a team on that day, else in any team; null where no team has one.",
    "started_at": "When the work started.",
    "seconds": "Time worked, whole seconds.",
    "amount_exact": "Fixed price: seconds times minor units an hour, exactly; 3600 of these are one minor unit; otherwise null.",
    "description": "Description of the worklog; null where none was published.",
    "hours": "Time worked in hours.",
    "reason": "Why it does not count: the first of SPEC W5 that applies.",
    "contract_ref": "The contract as the link names it; null where the issue is not linked.",
    "account_ref": "The account as the link names it; null where the issue is not linked.",
    "before_seconds": "Time that counted before, whole seconds.",
    "before_hours": "The same in hours.",
    "before_amount_minor": "Fixed price: consumed before, minor units; otherwise null.",
    "after_seconds": "Time that counts since, whole seconds.",
    "after_hours": "The same in hours.",
    "after_amount_minor": "Fixed price: consumed since, minor units; otherwise null.",
    "cause": "What changed it: worklog:SOURCE/ID, issue:SOURCE/ID, contract:VERSION, membership:TEAM/PERSON or rate_card:ID.",
    "restated_at": "When Tidemark learned of it.",
    "restatement": "Number in the order learned.",
    "statement_number": "Counts the statements of the contract, from 1, in the order frozen.",
    "restatement_count": "How many restatements correct the statement.",
    "as_of": "When the last of what the figures show was learned.",
    "closed_at": "When the statement was frozen.",
    "sha256": "SHA-256 of the statement, as it was published.",
    "body": "The whole statement."
  }';
  view_column record;
BEGIN
  FOR view_column IN
    SELECT class.relname AS view, attribute.attname AS name
    FROM pg_class AS class
    JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid AND attribute.attnum > 0
    WHERE class.relnamespace = 'reporting'::regnamespace AND class.relkind = 'v'
      AND class.relname IN (
        'contracts', 'contract_periods', 'account_consumption', 'account_totals', 'slice_consumption',
        'daily_consumption', 'unaccounted_worklogs', 'restatements', 'worklogs', 'statements'
      )
  LOOP
    EXECUTE format(
      'COMMENT ON COLUMN reporting.%I.%I IS %L', view_column.view, view_column.name,
      coalesce(
        descriptions ->> (view_column.view || '.' || view_column.name), descriptions ->> view_column.name::text
      )
    );
  END LOOP;
END
$$;
