-- name: statuses(codes)
-- What consumption knows of contracts.
SELECT contract_code, status
FROM reporting.contracts
WHERE contract_code = ANY(:codes::text []);

-- name: behind(service, cluster, topics, partitions, ends)$
-- How many records of these partitions a service has still to count.
SELECT coalesce(sum(e.end_offset - coalesce(p.next_offset, 0)), 0)::bigint
FROM unnest(:topics::text [], :partitions::integer [], :ends::bigint []) AS e (topic, partition, end_offset)
LEFT JOIN reporting.folded_offsets AS p
  ON p.service = :service AND p.cluster = :cluster AND p.topic = e.topic AND p.partition = e.partition
WHERE e.end_offset > coalesce(p.next_offset, 0);

-- name: unaccounted(sources)
-- Which worklogs of these sources do not count, and why.
SELECT source, worklog_id, reason
FROM reporting.unaccounted_worklogs
WHERE source = ANY(:sources::text []);

-- name: dead_letters(service, cluster, topics, partitions, begins, ends)$
-- How many records of these stretches of the log a service refused.
SELECT count(*)
FROM unnest(:topics::text [], :partitions::integer [], :begins::bigint [], :ends::bigint [])
  AS s (topic, partition, begin_offset, end_offset)
INNER JOIN reporting.dead_letters AS d
  ON d.service = :service AND d.cluster = :cluster AND d.topic = s.topic AND d.partition = s.partition
    AND d.record_offset >= s.begin_offset AND d.record_offset < s.end_offset;
