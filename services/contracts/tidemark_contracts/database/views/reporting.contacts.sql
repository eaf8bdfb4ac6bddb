-- One row for each contact of an organization.
CREATE OR REPLACE VIEW reporting.contacts AS
SELECT
  organization.id AS organization_id, organization.name AS organization_name, contact.name AS contact_name,
  contact.email, contact.roles
FROM directory AS organization
CROSS JOIN LATERAL jsonb_to_recordset(organization.body -> 'contacts') AS contact (name text, email text, roles text[])
WHERE organization.kind = 'organization';
COMMENT ON VIEW reporting.contacts IS 'One row for each contact of a customer.';
COMMENT ON COLUMN reporting.contacts.organization_id IS 'Id of the customer.';
COMMENT ON COLUMN reporting.contacts.organization_name IS 'Name of the customer.';
COMMENT ON COLUMN reporting.contacts.contact_name IS 'Name of the person at the customer.';
COMMENT ON COLUMN reporting.contacts.email IS 'Mail address of the person.';
COMMENT ON COLUMN reporting.contacts.roles IS 'Roles by which rules choose receivers, such as billing.';
