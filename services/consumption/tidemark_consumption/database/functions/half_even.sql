-- The quotient, rounded half-even: the only rounding there is, when a figure is shown (SPEC W3, 9).
CREATE OR REPLACE FUNCTION half_even(dividend numeric, divisor numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sign(dividend) * (
  div(abs(dividend), divisor)
  + CASE
      WHEN 2 * mod(abs(dividend), divisor) > divisor
        OR (2 * mod(abs(dividend), divisor) = divisor AND mod(div(abs(dividend), divisor), 2) = 1)
      THEN 1 ELSE 0
    END
);
