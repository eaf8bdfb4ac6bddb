-- depends:
CREATE OR REPLACE FUNCTION reject_event_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND current_setting('tidemark.forgetting', TRUE) = 'on' THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION 'Events are never changed or removed. Append a correcting event instead.';
END
$$;
COMMENT ON FUNCTION reject_event_change IS
'The trigger that keeps the tables of events append-only. A person who is forgotten is replaced in them.';
