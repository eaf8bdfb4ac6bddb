-- Versions of contracts, in the order in which projection/fold.py calls the queries.

-- name: logged_contracts(batch)
-- In the order in which they are learned. Of two events of one version the first holds, as when the log is replayed.
SELECT logged.event
FROM contract_log AS logged
JOIN batches AS logged_batch USING (batch)
WHERE logged.batch = :batch AND NOT EXISTS (
  SELECT FROM contract_log AS earlier
  JOIN batches AS earlier_batch ON earlier_batch.batch = earlier.batch
  WHERE earlier.contract_id = logged.contract_id AND earlier.stream_version = logged.stream_version
    AND (coalesce(earlier_batch.learned_at, 'infinity'), earlier.batch, earlier.record_offset)
      < (coalesce(logged_batch.learned_at, 'infinity'), logged.batch, logged.record_offset)
)
ORDER BY logged.record_offset;

-- name: apply_contracts(rows)
-- The newest version of each contract, where it is newer than the stored one. Gives the contracts that changed.
INSERT INTO contracts AS contract (
  contract_id, stream_version, status, code, name, organization_id, owner_name, owner_email, type, recurrence,
  start_date, end_date, timezone, holidays, currency, currency_digits, scale_divisor, contracted, unused, cap,
  lapse_after, overrun, settle_days, activated_at, changed_at, renewed_from, renewed_as
)
SELECT
  contract_id, stream_version, status, code, name, organization_id, owner_name, owner_email, type, recurrence,
  start_date, end_date, timezone, holidays, currency, currency_digits, scale_divisor, contracted, unused, cap,
  lapse_after, overrun, settle_days, activated_at, changed_at, renewed_from, renewed_as
FROM jsonb_populate_recordset(NULL::contracts, :rows::jsonb)
ON CONFLICT (contract_id) DO UPDATE SET
  stream_version = excluded.stream_version, status = excluded.status, code = excluded.code, name = excluded.name,
  organization_id = excluded.organization_id, owner_name = excluded.owner_name, owner_email = excluded.owner_email,
  type = excluded.type, recurrence = excluded.recurrence, start_date = excluded.start_date,
  end_date = excluded.end_date, timezone = excluded.timezone, holidays = excluded.holidays,
  currency = excluded.currency, currency_digits = excluded.currency_digits, scale_divisor = excluded.scale_divisor,
  contracted = excluded.contracted, unused = excluded.unused, cap = excluded.cap, lapse_after = excluded.lapse_after,
  overrun = excluded.overrun, settle_days = excluded.settle_days, changed_at = excluded.changed_at,
  renewed_from = excluded.renewed_from, renewed_as = excluded.renewed_as
WHERE excluded.stream_version > contract.stream_version
RETURNING contract_id;

-- name: set_activated(rows)!
-- The first activation, in whatever order the versions come.
UPDATE contracts AS contract
SET activated_at = activation.activated_at
FROM jsonb_to_recordset(:rows::jsonb) AS activation (contract_id uuid, activated_at timestamptz)
WHERE contract.contract_id = activation.contract_id
  AND coalesce(contract.activated_at > activation.activated_at, TRUE);

-- name: delete_terms(ids)!
WITH deleted_accounts AS (DELETE FROM accounts WHERE contract_id = ANY(:ids::uuid[])),
deleted_account_teams AS (DELETE FROM account_teams WHERE contract_id = ANY(:ids::uuid[])),
deleted_adjustments AS (DELETE FROM adjustments WHERE contract_id = ANY(:ids::uuid[]))
DELETE FROM periods WHERE contract_id = ANY(:ids::uuid[]);

-- name: missing_calendars(codes)
SELECT code FROM unnest(:codes::text[]) AS calendar (code)
WHERE NOT EXISTS (SELECT FROM holidays AS holiday WHERE holiday.code = calendar.code);

-- name: insert_holidays(code, days)!
INSERT INTO holidays (code, day)
SELECT :code, unnest(:days::date[]) ON CONFLICT DO NOTHING;

-- name: insert_accounts(rows)!
INSERT INTO accounts (contract_id, account_id, position, name, billable, planned)
SELECT contract_id, account_id, position, name, billable, planned
FROM jsonb_populate_recordset(NULL::accounts, :rows::jsonb);

-- name: insert_account_teams(rows)!
INSERT INTO account_teams (contract_id, account_id, team_id, position, is_slice, planned)
SELECT contract_id, account_id, team_id, position, is_slice, planned
FROM jsonb_populate_recordset(NULL::account_teams, :rows::jsonb);

-- name: insert_periods(rows)!
INSERT INTO periods (contract_id, period_start, period_end)
SELECT contract_id, period_start, period_end
FROM jsonb_populate_recordset(NULL::periods, :rows::jsonb);

-- name: insert_adjustments(rows)!
INSERT INTO adjustments (contract_id, account_id, period_start, planned)
SELECT contract_id, account_id, period_start, sum(planned)
FROM jsonb_populate_recordset(NULL::adjustments, :rows::jsonb)
GROUP BY contract_id, account_id, period_start;

-- name: set_account_refs(rows)!
-- From every version, however late it comes: a name belongs to the account that had it last, an id always to its
-- account.
INSERT INTO account_refs AS account_ref (contract_id, ref, account_id, stream_version)
SELECT DISTINCT ON (contract_id, ref) contract_id, ref, account_id, stream_version
FROM jsonb_populate_recordset(NULL::account_refs, :rows::jsonb)
ORDER BY contract_id, ref, stream_version DESC
ON CONFLICT (contract_id, ref) DO UPDATE SET account_id = excluded.account_id, stream_version = excluded.stream_version
WHERE excluded.stream_version > account_ref.stream_version;

-- name: delete_contract_refs(refs)!
DELETE FROM contract_refs WHERE ref = ANY(:refs::text[]);

-- name: insert_contract_refs(refs)!
-- The contract that each reference names now: an id comes before a code, a discarded draft has no reference.
INSERT INTO contract_refs (ref, contract_id)
SELECT DISTINCT ON (candidate.ref) candidate.ref, candidate.contract_id
FROM (
  SELECT name.ref, contract.contract_id, contract.status, FALSE AS is_id
  FROM unnest(:refs::text[]) AS name (ref)
  JOIN contracts AS contract ON contract.code = name.ref
  UNION ALL
  SELECT name.ref, contract.contract_id, contract.status, TRUE
  FROM unnest(:refs::text[]) AS name (ref)
  JOIN contracts AS contract
    ON contract.contract_id
      = CASE WHEN name.ref ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN name.ref::uuid END
) AS candidate
WHERE candidate.status IS NOT NULL
ORDER BY candidate.ref, candidate.is_id DESC, candidate.contract_id;
