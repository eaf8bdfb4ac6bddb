-- name: insert_report(body, today)^
-- Returns no row if the customer already has a report with this name.
INSERT INTO saved_reports (body, mailed_on) VALUES (:body::jsonb, :today)
ON CONFLICT (organization_id, name) DO NOTHING
RETURNING id, version, body::text AS body, next_mail_on;

-- name: saved_report(id)^
SELECT id, version, body::text AS body, next_mail_on FROM saved_reports WHERE id = :id;

-- name: saved_reports(organization, after, max_count)
SELECT id, version, body::text AS body, next_mail_on FROM saved_reports
WHERE (:organization::uuid IS NULL OR organization_id = :organization) AND (:after::uuid IS NULL OR id > :after)
ORDER BY id
LIMIT :max_count;

-- name: report_id_by_name(organization_id, name)$
SELECT id FROM saved_reports WHERE organization_id = :organization_id AND name = :name;

-- name: lock_report(id)^
SELECT id, version, body::text AS body, next_mail_on FROM saved_reports WHERE id = :id FOR UPDATE;

-- name: update_report(id, body, today)!
-- A changed schedule begins after today, as a new one does.
UPDATE saved_reports
SET body = :body::jsonb, version = version + 1,
  mailed_on = CASE
    WHEN body -> 'schedule' IS NOT DISTINCT FROM :body::jsonb -> 'schedule' THEN mailed_on ELSE :today::date
  END
WHERE id = :id;

-- name: schedule_report(id, mailed_on, next_mail_on, next_mail_at)!
UPDATE saved_reports
SET mailed_on = coalesce(:mailed_on::date, mailed_on), next_mail_on = :next_mail_on, next_mail_at = :next_mail_at
WHERE id = :id;

-- name: delete_report(id)!
DELETE FROM saved_reports WHERE id = :id;

-- name: report_organization(id)$
-- What the notifier has received of a customer.
SELECT body::text AS body FROM directory
WHERE id = :id AND kind = 'organization' AND NOT (body ->> 'deleted')::boolean;

-- name: report_due(now)^
-- A report that another instance is mailing is left out.
SELECT id, version, body::text AS body, next_mail_on, mailed_on FROM saved_reports
WHERE next_mail_at <= :now
ORDER BY next_mail_at, id
LIMIT 1
FOR UPDATE SKIP LOCKED;

-- name: insert_report_mails(report_id, addressees, snapshot, raised_at)
INSERT INTO report_mails (report_id, addressee, snapshot, raised_at)
SELECT :report_id, addressee, :snapshot::jsonb, :raised_at
FROM unnest(:addressees::jsonb[]) AS addressee
RETURNING id;

-- name: report_mails(report_id, before, max_count)
-- Newest first.
SELECT
  id, addressee ->> 'email' AS email, snapshot ->> 'first_day' AS first_day, snapshot ->> 'last_day' AS last_day,
  status, attempts, last_error, raised_at, delivered_at
FROM report_mails
WHERE report_id = :report_id AND (:before::uuid IS NULL OR id < :before)
ORDER BY id DESC
LIMIT :max_count;

-- name: lease_report_mail(lease_seconds, busy_domains)^
-- Takes the mail that is due first for a limited time, and those that have failed after all others; none to a domain that
-- is busy. If the process dies, another takes it over when the lease ends.
UPDATE report_mails AS m
SET attempts = m.attempts + 1, leased_until = clock_timestamp() + make_interval(secs => :lease_seconds)
WHERE m.id = (
  SELECT d.id FROM report_mails AS d
  WHERE d.status = 'pending' AND d.due_at <= clock_timestamp()
    AND (d.leased_until IS NULL OR d.leased_until <= clock_timestamp())
    AND lower(split_part(d.addressee ->> 'email', '@', -1)) <> ALL(:busy_domains::text[])
  ORDER BY d.attempts > 0, d.due_at, d.id
  LIMIT 1
  FOR UPDATE SKIP LOCKED
)
RETURNING
  m.id, m.addressee::text AS addressee, m.snapshot::text AS snapshot, m.attempts, m.raised_at,
  lower(split_part(m.addressee ->> 'email', '@', -1)) AS domain;

-- name: finish_report_mail(id, attempts, status, error, delay_seconds)!
-- Records the result of an attempt, unless another instance has taken the mail over since.
UPDATE report_mails
SET status = :status, last_error = coalesce(:error::text, last_error), leased_until = NULL,
  due_at = clock_timestamp() + make_interval(secs => :delay_seconds),
  delivered_at = CASE WHEN :status = 'delivered' THEN clock_timestamp() END
WHERE id = :id AND attempts = :attempts AND status = 'pending';
