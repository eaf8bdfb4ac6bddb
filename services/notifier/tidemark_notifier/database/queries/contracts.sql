-- name: store_contracts(ids, versions, status_changes, terms, now, wait_seconds)!
-- Ordered by id, so that two batches lock the rows in the same order. Status changes that are already stored are left
-- out. The balance of a new version is awaited for `wait_seconds`.
INSERT INTO contracts AS c (id, stream_version, status_changes, organization_id, terms, balance_awaited_until)
SELECT
  n.id, n.stream_version, n.status_changes, (n.terms ->> 'organization_id')::uuid, n.terms,
  coalesce(:now, clock_timestamp()) + make_interval(secs => :wait_seconds)
FROM unnest(:ids::uuid[], :versions::integer[], :status_changes::jsonb[], :terms::jsonb[])
  AS n (id, stream_version, status_changes, terms)
ORDER BY n.id
ON CONFLICT (id) DO UPDATE SET
  stream_version = excluded.stream_version,
  plan_version = CASE
    WHEN c.terms - '{name,description,owner,organization_id,settle_days}'::text[]
      <> excluded.terms - '{name,description,owner,organization_id,settle_days}'::text[]
      THEN excluded.stream_version
    ELSE c.plan_version
  END,
  status_changes = c.status_changes || (
    SELECT coalesce(jsonb_agg(n.change ORDER BY n.number), '[]')
    FROM jsonb_array_elements(excluded.status_changes) WITH ORDINALITY AS n (change, number)
    WHERE (n.change ->> 0)::integer > c.stream_version
  ),
  organization_id = excluded.organization_id,
  terms = excluded.terms,
  balance_awaited_until = excluded.balance_awaited_until
WHERE excluded.stream_version > c.stream_version;

-- name: store_balances(ids, revisions, versions, bodies)!
INSERT INTO contracts AS c (id, balance_revision, balance_stream_version, balance)
SELECT n.id, n.revision, n.stream_version, n.body
FROM unnest(:ids::uuid[], :revisions::bigint[], :versions::integer[], :bodies::jsonb[])
  AS n (id, revision, stream_version, body)
ORDER BY n.id
ON CONFLICT (id) DO UPDATE SET
  balance_revision = excluded.balance_revision,
  balance_stream_version = excluded.balance_stream_version,
  balance = excluded.balance
WHERE excluded.balance_revision > c.balance_revision;

-- name: store_closed_periods(ids, periods)!
-- Statements of a contract come in the order of their numbers; those that are already stored are left out.
INSERT INTO contracts AS c (id, closed_periods)
SELECT n.id, n.periods
FROM unnest(:ids::uuid[], :periods::jsonb[]) AS n (id, periods)
ORDER BY n.id
ON CONFLICT (id) DO UPDATE SET closed_periods = c.closed_periods || (
  SELECT coalesce(jsonb_agg(n.period ORDER BY n.number), '[]')
  FROM jsonb_array_elements(excluded.closed_periods) WITH ORDINALITY AS n (period, number)
  WHERE (n.period ->> 'number')::integer > coalesce((c.closed_periods -> -1 ->> 'number')::integer, 0)
);

-- name: store_restatements(ids, restatements, now)!
-- Restatements of a contract come in the order of their numbers; those that are already stored are left out.
INSERT INTO contracts AS c (id, restatements, last_restatement, restated_since, restated_at)
SELECT
  n.id, n.restatements, (n.restatements -> -1 ->> 'restatement')::bigint, coalesce(:now, clock_timestamp()),
  coalesce(:now, clock_timestamp())
FROM unnest(:ids::uuid[], :restatements::jsonb[]) AS n (id, restatements)
ORDER BY n.id
ON CONFLICT (id) DO UPDATE SET
  restatements = c.restatements || (
    SELECT coalesce(jsonb_agg(n.restatement ORDER BY n.number), '[]')
    FROM jsonb_array_elements(excluded.restatements) WITH ORDINALITY AS n (restatement, number)
    WHERE (n.restatement ->> 'restatement')::bigint > c.last_restatement
  ),
  last_restatement = excluded.last_restatement,
  restated_since = coalesce(c.restated_since, excluded.restated_since),
  restated_at = excluded.restated_at
WHERE excluded.last_restatement > c.last_restatement;

-- name: store_directory(ids, kinds, versions, bodies)!
INSERT INTO directory AS d (id, kind, version, body)
SELECT n.id, n.kind, n.version, n.body
FROM unnest(:ids::uuid[], :kinds::text[], :versions::integer[], :bodies::jsonb[])
  AS n (id, kind, version, body)
ORDER BY n.id
ON CONFLICT (id) DO UPDATE SET version = excluded.version, body = excluded.body
WHERE excluded.version > d.version;

-- name: teams(ids)
SELECT id, body::text AS body FROM directory
WHERE kind = 'team' AND id = ANY(:ids::uuid[]) AND NOT (body ->> 'deleted')::boolean;

-- name: contract_id_by_reference(id, reference)$
-- An id wins over a code (SPEC 9). A discarded draft has given its code back: its last status is null.
SELECT id FROM contracts
WHERE
  terms IS NOT NULL
  AND (id = :id::uuid OR (terms ->> 'code' = :reference AND status_changes -> -1 ->> 1 IS NOT NULL))
ORDER BY id = :id DESC NULLS LAST
LIMIT 1;

-- name: overdue_contract(before)^
-- The contract whose evaluation was due first, if it was due before this moment and has not been done.
SELECT terms ->> 'code' AS code, next_evaluation_at AS due_at
FROM contracts
WHERE next_evaluation_at <= :before
ORDER BY next_evaluation_at
LIMIT 1;

-- name: contract_ids_in_scope(scope_id, after, max_count)
SELECT id FROM contracts
WHERE (:scope_id::uuid IS NULL OR :scope_id IN (id, organization_id))
  AND id > coalesce(:after, '00000000-0000-0000-0000-000000000000'::uuid)
ORDER BY id
LIMIT :max_count;

-- name: person_identities()
-- What teams, contacts, contracts, notifications and their receivers say of persons.
SELECT member.person_id, member.name, member.email
FROM directory AS team
CROSS JOIN LATERAL jsonb_to_recordset(team.body -> 'members') AS member (person_id text, name text, email text)
WHERE team.kind = 'team'
UNION
SELECT NULL, contact.name, contact.email
FROM directory AS organization
CROSS JOIN LATERAL jsonb_to_recordset(organization.body -> 'contacts') AS contact (name text, email text)
WHERE organization.kind = 'organization'
UNION
SELECT NULL, terms #>> '{owner,name}', terms #>> '{owner,email}' FROM contracts WHERE terms IS NOT NULL
UNION
SELECT NULL, snapshot ->> 'owner_name', snapshot ->> 'owner_email' FROM notifications
UNION
SELECT NULL, addressee ->> 'name', addressee ->> 'email' FROM deliveries WHERE addressee IS NOT NULL
UNION
SELECT NULL, NULL, receiver.email
FROM rules AS rule
CROSS JOIN LATERAL jsonb_to_recordset(rule.body -> 'receivers') AS receiver (email text);
