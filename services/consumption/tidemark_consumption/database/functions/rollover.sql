-- What is carried into each period, given what each period planned and consumed (SPEC 1, 9). A function of its
-- arguments alone: the views in `reporting` use it, and their readers do not have our search path.
--
-- What is left of each period joins the end of a queue. Use, lapse and the cap, in this order, each take from the head
-- of the queue. So it is enough to add up what has entered and what has left.
CREATE OR REPLACE FUNCTION rollover(
  planned numeric[], consumed numeric[], unused text, cap numeric, lapse_after integer, overrun text
) RETURNS TABLE (number bigint, carried numeric)
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
  entered_total numeric := 0;
  entered_totals numeric[] := '{}';
  left_total numeric := 0;
  debt numeric := 0;
  used numeric;
  remainder numeric;
BEGIN
  FOR period IN 1 .. cardinality(planned) LOOP
    number := period;
    carried := entered_total - left_total - debt;
    RETURN NEXT;
    used := least(consumed[period], entered_total - left_total);
    remainder := planned[period] - debt - (consumed[period] - used);
    debt := CASE overrun WHEN 'deduct' THEN greatest(-remainder, 0) ELSE 0 END;
    entered_total := entered_total + CASE unused WHEN 'carry' THEN greatest(remainder, 0) ELSE 0 END;
    entered_totals[period] := entered_total;
    -- greatest() ignores nulls, so a limit that is null has no effect.
    left_total := greatest(left_total + used, entered_totals[period - lapse_after], entered_total - cap);
  END LOOP;
END
$$;
