-- the Jira site of a source, because its work can be read from Jira or from Tempo

ALTER TABLE sources
ADD COLUMN site text COLLATE "C";
COMMENT ON COLUMN sources.site IS 'The Jira site whose work it is, in lower case; null of other trackers.';
