-- name: share_frame()$
-- Held by whatever touches contracts, beside others that do: see change_frame.
SELECT pg_advisory_xact_lock_shared(hashtextextended(current_schema() || '.frame', 0));

-- name: change_frame()$
-- Rules and the directory are changed alone. Else a rule that is being made would not see a balance that is being
-- stored, nor the balance the rule, and the crossing would be told by neither.
SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '.frame', 0));

-- name: store_contracts(ids, versions, statuses, terms)!
-- In the order of ids, so that two batches lock the rows in the same order.
INSERT INTO contracts AS c (id, stream_version, status, organization_id, terms)
SELECT n.id, n.stream_version, n.status, (n.terms ->> 'organization_id')::uuid, n.terms
FROM unnest(:ids::uuid [], :versions::integer [], :statuses::text [], :terms::jsonb [])
  AS n (id, stream_version, status, terms)
ORDER BY n.id
ON CONFLICT (id) DO UPDATE SET
  stream_version = excluded.stream_version,
  plan_version = CASE
    WHEN c.terms - '{name,description,owner,organization_id,settle_days}'::text []
      <> excluded.terms - '{name,description,owner,organization_id,settle_days}'::text []
      THEN excluded.stream_version
    ELSE c.plan_version
  END,
  status = excluded.status,
  organization_id = excluded.organization_id,
  terms = excluded.terms
WHERE excluded.stream_version > c.stream_version;

-- name: store_balances(ids, revisions, versions, bodies)!
INSERT INTO contracts AS c (id, revision, balance_stream_version, balance)
SELECT n.id, n.revision, n.stream_version, n.body
FROM unnest(:ids::uuid [], :revisions::bigint [], :versions::integer [], :bodies::jsonb [])
  AS n (id, revision, stream_version, body)
ORDER BY n.id
ON CONFLICT (id) DO UPDATE SET
  revision = excluded.revision,
  balance_stream_version = excluded.balance_stream_version,
  balance = excluded.balance
WHERE excluded.revision > c.revision;

-- name: store_directory(ids, kinds, versions, bodies)!
INSERT INTO directory AS d (id, kind, version, body)
SELECT n.id, n.kind, n.version, n.body
FROM unnest(:ids::uuid [], :kinds::text [], :versions::integer [], :bodies::jsonb [])
  AS n (id, kind, version, body)
ORDER BY n.id
ON CONFLICT (id) DO UPDATE SET version = excluded.version, body = excluded.body
WHERE excluded.version > d.version;

-- name: contracts_in_scope(everywhere, ids)
-- The contracts that rules of these scopes may hold for.
SELECT id FROM contracts
WHERE :everywhere::boolean OR id = ANY(:ids::uuid []) OR organization_id = ANY(:ids::uuid [])
ORDER BY id;

-- name: to_judge(ids)
-- What can be judged: the terms, the organization and the balance are known, and the balance is neither ahead of
-- the terms nor older than their plan. The rest waits for what it lacks.
SELECT
  c.id, c.status, c.terms::text AS terms, c.balance::text AS balance, c.skipped::text AS skipped,
  d.body::text AS organization
FROM contracts AS c
JOIN directory AS d ON d.id = c.organization_id
WHERE c.id = ANY(:ids::uuid [])
  AND (c.balance IS NULL OR c.balance_stream_version BETWEEN c.plan_version AND c.stream_version)
ORDER BY c.id
FOR UPDATE OF c;

-- name: rules_for(ids)
-- The rules whose scope is global or one of these contracts and organizations.
SELECT id, version, body::text AS body FROM rules
WHERE scope = 'global' OR scope_id = ANY(:ids::uuid []);

-- name: told(ids)
SELECT contract_id, rule_name, trigger, subject, subject_id, period_start, threshold, episode
FROM told WHERE contract_id = ANY(:ids::uuid []);

-- name: moment(count)^
-- The time by the database, which all instances share, and ids that sort by it.
SELECT clock_timestamp() AS now, array(SELECT uuidv7() FROM generate_series(1, :count::integer)) AS ids;

-- name: tell(rows)
-- Count as told; gives what was not already.
INSERT INTO told (
  contract_id, rule_name, trigger, subject, subject_id, period_start, threshold, episode, notification_id
)
SELECT
  contract_id, rule_name, trigger, subject, subject_id, period_start, threshold, episode, notification_id
FROM jsonb_populate_recordset(NULL::told, :rows::jsonb)
ON CONFLICT DO NOTHING
RETURNING notification_id, threshold;

-- name: insert_notifications(rows)!
INSERT INTO notifications SELECT * FROM jsonb_populate_recordset(NULL::notifications, :rows::jsonb);

-- name: insert_deliveries(rows)!
INSERT INTO deliveries (notification_id, channel, addressee, status)
SELECT notification_id, channel, addressee, CASE WHEN addressee IS NULL THEN 'no_receiver' ELSE 'pending' END
FROM jsonb_to_recordset(:rows::jsonb) AS r (notification_id uuid, channel text, addressee jsonb);

-- name: set_skipped(ids, skipped)!
UPDATE contracts AS c SET skipped = n.skipped
FROM unnest(:ids::uuid [], :skipped::jsonb []) AS n (id, skipped)
WHERE c.id = n.id;
