-- Exact units as minor units of the currency, rounded once; null for time and materials.
-- depends: half_even
CREATE OR REPLACE FUNCTION as_minor(exact_units numeric, scale_divisor integer) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN scale_divisor <> 1 THEN half_even(exact_units, scale_divisor) END;
