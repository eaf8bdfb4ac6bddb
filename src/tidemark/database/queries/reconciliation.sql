-- name: list_statuses(codes)
-- The statuses of contracts in consumption.
SELECT contract_code, status
FROM reporting.contracts
WHERE contract_code = ANY(:codes::text[]);

-- name: count_unfolded_records(service, cluster, topics, partitions, ends)$
-- The number of records of these partitions that a service has not folded yet.
SELECT coalesce(sum(log_end.end_offset - coalesce(folded.next_offset, 0)), 0)::bigint
FROM unnest(:topics::text[], :partitions::integer[], :ends::bigint[]) AS log_end (topic, partition, end_offset)
LEFT JOIN reporting.folded_offsets AS folded
  ON folded.service = :service AND folded.cluster = :cluster
    AND folded.topic = log_end.topic AND folded.partition = log_end.partition
WHERE log_end.end_offset > coalesce(folded.next_offset, 0);

-- name: list_unaccounted(sources)
-- The worklogs of these sources that do not count, with the reason.
SELECT source, worklog_id, reason
FROM reporting.unaccounted_worklogs
WHERE source = ANY(:sources::text[]);

-- name: list_recorded(source, worklog_ids)
-- The person and duration of worklogs, whether they count or not.
SELECT worklog_id, author_id, seconds
FROM reporting.worklogs
WHERE source = :source AND worklog_id = ANY(:worklog_ids::text[])
UNION ALL
SELECT worklog_id, author_id, seconds
FROM reporting.unaccounted_worklogs
WHERE source = :source AND worklog_id = ANY(:worklog_ids::text[])
ORDER BY worklog_id;

-- name: count_dead_letters(service, cluster, topics, partitions, begins, ends)$
-- The number of dead letters of a service in these offset ranges.
SELECT count(*)
FROM unnest(:topics::text[], :partitions::integer[], :begins::bigint[], :ends::bigint[])
  AS offset_range (topic, partition, begin_offset, end_offset)
INNER JOIN reporting.dead_letters AS dead_letter
  ON dead_letter.service = :service AND dead_letter.cluster = :cluster
    AND dead_letter.topic = offset_range.topic AND dead_letter.partition = offset_range.partition
    AND dead_letter.record_offset >= offset_range.begin_offset AND dead_letter.record_offset < offset_range.end_offset;
