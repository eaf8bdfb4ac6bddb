-- what the service published and its database lacks, after a restore to an earlier moment

CREATE TABLE lost_events (
  topic text NOT NULL,
  id uuid NOT NULL,
  version bigint NOT NULL,
  data jsonb NOT NULL,
  PRIMARY KEY (id, version)
);
COMMENT ON TABLE lost_events IS
'Published events that this database lacks: it was restored to an earlier moment. They wait until all have been read, '
'and are then applied together.';
COMMENT ON COLUMN lost_events.topic IS 'Topic of the event, without prefix.';
COMMENT ON COLUMN lost_events.id IS 'Id of the contract, of the offer, or of the entity of the directory.';
COMMENT ON COLUMN lost_events.version IS 'Version of the contract, offer or entity.';
COMMENT ON COLUMN lost_events.data IS 'The row to insert: of the table events, offer_events or directory.';

CREATE TABLE deleted_entities (
  id uuid PRIMARY KEY,
  version bigint NOT NULL
);
COMMENT ON TABLE deleted_entities IS
'Versions of entities of the directory that were deleted, so that none of their events appears to be lost.';
COMMENT ON COLUMN deleted_entities.version IS 'Version of the deletion.';
