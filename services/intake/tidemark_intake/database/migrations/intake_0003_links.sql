-- the attributes of time entries, to link them again when rules change, and webhooks that come again

ALTER TABLE issues
ADD COLUMN attributes jsonb;
COMMENT ON COLUMN issues.attributes IS
'What rules look at, of trackers whose entries alone have it; null where the tracker shows issues.';
-- A Tempo issue with work attributes is known by its number and their values.
CREATE INDEX issues_number ON issues (source_id, split_part(id, '/', 1));

ALTER TABLE sources
ADD COLUMN deliveries_repeated bigint NOT NULL DEFAULT 0,
ADD COLUMN links_digest text;
COMMENT ON COLUMN sources.links_digest IS 'Of the rules and fields by which its issues were linked last.';
