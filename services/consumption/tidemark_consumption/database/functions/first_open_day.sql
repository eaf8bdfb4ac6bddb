-- Periods that end before this day are closed for what is learned at a moment (SPEC 9).
CREATE OR REPLACE FUNCTION first_open_day(
  status text, timezone text, activated_at timestamptz, settle_days integer, moment timestamptz
) RETURNS date
LANGUAGE sql STABLE
RETURN CASE
  WHEN status = 'CLOSED' THEN 'infinity'::date
  WHEN (activated_at AT TIME ZONE timezone)::date < (moment AT TIME ZONE timezone)::date - settle_days
    THEN (moment AT TIME ZONE timezone)::date - settle_days
  ELSE '-infinity'::date
END;
