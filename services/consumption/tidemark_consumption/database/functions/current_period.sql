-- The first day of the period that holds a day: before the contract's start the first period, after its end the last
-- (SPEC 5, N1).
CREATE OR REPLACE FUNCTION current_period(of_contract uuid, day date) RETURNS date
LANGUAGE sql STABLE
AS $$
  SELECT coalesce(
    (
      SELECT min(period.period_start)
      FROM periods AS period
      WHERE period.contract_id = of_contract AND period.period_end >= day
    ),
    (SELECT max(period.period_start) FROM periods AS period WHERE period.contract_id = of_contract)
  )
$$;
