-- Each link with its organization, and when it was revoked: by itself, or with all links of its organization.
CREATE OR REPLACE VIEW customer_link_states AS
SELECT
  link.id, link.organization_id, organization.name AS organization_name, organization.body ->> 'locale' AS locale,
  link.issued_at, link.expires_at, link.password_hash, link.note, link.created_by, link.last_used_at,
  coalesce(link.revoked_at, revocation.revoked_at) AS revoked_at,
  coalesce(link.revoked_by, revocation.revoked_by) AS revoked_by
FROM customer_links AS link
JOIN directory AS organization ON organization.id = link.organization_id
LEFT JOIN customer_link_revocations AS revocation
  ON revocation.organization_id = link.organization_id AND revocation.revoked_at >= link.issued_at;
COMMENT ON VIEW customer_link_states IS 'One row for each link for customers, with what decides whether it is valid.';
