-- persons who were forgotten

CREATE TABLE forgotten_people (
  id uuid PRIMARY KEY,
  version bigint NOT NULL,
  key bytea NOT NULL,
  person_digest bytea NOT NULL UNIQUE,
  digests bytea [] NOT NULL,
  forgotten_at timestamptz NOT NULL,
  forgotten_by text
);
COMMENT ON TABLE forgotten_people IS
'Persons who were forgotten: their texts are recognised by digests wherever they arrive again, and replaced.';
COMMENT ON COLUMN forgotten_people.id IS 'Random; the pseudonym is made of it.';
COMMENT ON COLUMN forgotten_people.key IS 'The key of the digests.';
COMMENT ON COLUMN forgotten_people.person_digest IS 'HMAC-SHA-256 of the person''s id.';
COMMENT ON COLUMN forgotten_people.digests IS 'HMAC-SHA-256 of each name and mail address, in lower case.';
COMMENT ON COLUMN forgotten_people.forgotten_by IS 'The token that asked for it; null in the services that read the event.';
