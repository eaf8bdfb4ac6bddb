-- Percent of a plan with two decimals; null where nothing is planned (SPEC 9).
-- depends: half_even
CREATE OR REPLACE FUNCTION percent(consumed numeric, planned numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN planned > 0 THEN (half_even(consumed * 10000, planned) * 0.01)::numeric(38, 2) END;
