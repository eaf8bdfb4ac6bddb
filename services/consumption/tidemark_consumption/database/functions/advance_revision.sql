-- Whatever changes a revision, it grows and is at least the time in microseconds. A database that was restored to an
-- earlier moment so publishes balances that are ahead of those that readers have. Shadow tables have no triggers.
-- depends:
CREATE OR REPLACE FUNCTION advance_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.revision := greatest(
    NEW.revision, OLD.revision + 1, (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint
  );
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION advance_revision IS 'The trigger that keeps revisions ahead of all earlier ones.';

CREATE OR REPLACE TRIGGER advance_revision BEFORE UPDATE OF revision ON balances
FOR EACH ROW EXECUTE FUNCTION advance_revision();
