-- name: lock_for_forgetting()!
-- Wait for running commands, and block new ones until the transaction ends.
LOCK TABLE directory, contracts, offers, offer_events, events IN EXCLUSIVE MODE;

-- name: person_identities()
-- What teams, contacts, contracts and offers say of persons.
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
SELECT NULL, event.data #>> '{terms,owner,name}', event.data #>> '{terms,owner,email}'
FROM events AS event
WHERE event.data #>> '{terms,owner,email}' IS NOT NULL
UNION
SELECT NULL, person.body ->> 'name', person.body ->> 'email'
FROM offers AS offer
CROSS JOIN LATERAL (VALUES (offer.body -> 'requested_by'), (offer.body -> 'answered_by')) AS person (body)
WHERE person.body ->> 'name' IS NOT NULL;

-- name: person_obstacles(person_id, emails, names)
-- Where the person is still needed: owners and contacts receive mails, and a token signs in.
SELECT 'owner of contract ' || contract.code AS description
FROM contracts AS contract
WHERE contract.status <> 'CLOSED' AND lower(contract.owner_email) = ANY(:emails::text[])
UNION ALL
SELECT 'contact of organization ' || organization.name
FROM directory AS organization
WHERE organization.kind = 'organization' AND EXISTS (
  SELECT
  FROM jsonb_to_recordset(organization.body -> 'contacts') AS contact (email text)
  WHERE lower(contact.email) = ANY(:emails::text[])
)
UNION ALL
SELECT 'token ' || left(token.id, 8)
FROM tokens AS token
WHERE token.revoked_at IS NULL AND (token.expires_at IS NULL OR token.expires_at > now())
  AND (token.name = :person_id OR lower(token.name) = ANY(:names::text[] || :emails::text[]))
ORDER BY description;

-- name: directory_with_person(pseudonym)
SELECT id, kind, version, body
FROM directory
WHERE strpos(body::text, :pseudonym) > 0
ORDER BY id;

-- name: rename_rate_cards()!
-- Lists of rate cards go by person and first day.
UPDATE directory
SET name = (body ->> 'person_id') || ' ' || (body ->> 'from')
WHERE kind = 'rate_card' AND name <> (body ->> 'person_id') || ' ' || (body ->> 'from');
