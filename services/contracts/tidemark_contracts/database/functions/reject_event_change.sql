-- depends:
CREATE OR REPLACE FUNCTION reject_event_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'Events are never changed or removed. Append a correcting event instead.';
END
$$;
COMMENT ON FUNCTION reject_event_change IS 'The trigger that keeps the table events append-only.';
