-- One row for each person who was forgotten.
CREATE OR REPLACE VIEW reporting.forgotten_people AS
SELECT
  'forgotten-' || left(replace(person.id::text, '-', ''), 12) AS pseudonym,
  person.forgotten_at, person.forgotten_by
FROM forgotten_people AS person;
COMMENT ON VIEW reporting.forgotten_people IS 'One row for each person who was forgotten, without who it was.';
COMMENT ON COLUMN reporting.forgotten_people.pseudonym IS 'What stands in place of the person''s id and names.';
COMMENT ON COLUMN reporting.forgotten_people.forgotten_at IS 'When it was first asked for.';
COMMENT ON COLUMN reporting.forgotten_people.forgotten_by IS 'The token that asked for it.';
