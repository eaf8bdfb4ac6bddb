-- Statements: periods that are settled, and the restatements that correct them (SPEC 9, 10).

-- name: begin_settlement(now)$
-- Locks the row of the projector until the transaction ends. Gives the moment of the settlement: never before what is
-- already folded. Null while another process folds.
SELECT greatest(:now::timestamptz, learned_at) FROM projection FOR UPDATE SKIP LOCKED;

-- name: is_settlement_due(contracts, moment)$
-- Whether a period of these contracts (null: of all) is closed and has no statement.
SELECT exists(SELECT FROM unsettled_periods(:contracts, :moment));

-- name: statements_to_freeze(contracts, moment, max_rows)
-- The closed periods without a statement of these contracts (null: of all), the oldest first, with their figures.
-- The first statement of a contract tells what was restated since the one before.
WITH due AS MATERIALIZED (
  SELECT contract_id, period_start, period_end, stream_version
  FROM unsettled_periods(:contracts, :moment)
  ORDER BY period_start, contract_id
  LIMIT :max_rows
),
due_contracts AS MATERIALIZED (
  SELECT contract_id, stream_version, array_agg(period_start) AS starts
  FROM due
  GROUP BY contract_id, stream_version
),
sources AS MATERIALIZED (
  SELECT
    contract.contract_id, contract.starts, coalesce(former.number, 0) AS number, latest.last_restatement, restated.body,
    -- Terms that came with this fold, or else all that was learned before it.
    CASE
      WHEN learned.learned_at IS NULL THEN :moment::timestamptz
      ELSE (SELECT max(batch.learned_at) FROM batches AS batch)
    END AS as_of
  FROM due_contracts AS contract
  CROSS JOIN LATERAL (
    SELECT max(statement.number) AS number, coalesce(max(statement.last_restatement), 0) AS last_restatement
    FROM statements AS statement
    WHERE statement.contract_id = contract.contract_id
  ) AS former
  CROSS JOIN LATERAL (
    SELECT coalesce(max(restatement.restatement), 0) AS last_restatement
    FROM restatements AS restatement
    WHERE restatement.contract_id = contract.contract_id
  ) AS latest
  CROSS JOIN LATERAL (
    SELECT min(batch.learned_at) AS learned_at
    FROM contract_log AS logged
    JOIN batches AS batch USING (batch)
    WHERE logged.contract_id = contract.contract_id AND logged.stream_version = contract.stream_version
  ) AS learned
  CROSS JOIN LATERAL (
    SELECT
      jsonb_agg(to_jsonb(correction) - 'restated_at' ORDER BY correction.period_start, correction.account_id) AS body
    FROM statement_corrections(contract.contract_id, former.last_restatement) AS correction
  ) AS restated
)
SELECT
  source.contract_id, due.period_start, due.period_end, source.as_of, source.last_restatement,
  source.number + row_number() OVER contract_periods AS number,
  (
    figure.body || jsonb_build_object(
      'restatements',
      CASE WHEN row_number() OVER contract_periods = 1 THEN coalesce(source.body, '[]') ELSE '[]' END
    )
  )::text AS body
FROM sources AS source
CROSS JOIN LATERAL statement_bodies(source.contract_id, source.starts) AS figure
JOIN due ON due.contract_id = source.contract_id AND due.period_start = figure.period_start
WINDOW contract_periods AS (PARTITION BY source.contract_id ORDER BY due.period_start)
ORDER BY due.period_start, source.contract_id;

-- name: insert_statements(rows)!
-- A period has one statement: a second one is an error.
INSERT INTO statements (
  contract_id, period_start, period_end, number, as_of, closed_at, last_restatement, body, sha256
)
SELECT contract_id, period_start, period_end, number, as_of, closed_at, last_restatement, body, sha256
FROM jsonb_populate_recordset(NULL::statements, :rows::jsonb);

-- name: adopt_statements(rows)$
-- Statements that were published and that this database does not have: it was restored or filled again. Gives their
-- number. Their restatements are those to come.
WITH adopted AS (
  INSERT INTO statements (
    contract_id, period_start, period_end, number, as_of, closed_at, last_restatement, body, sha256
  )
  SELECT
    published.contract_id, published.period_start, published.period_end, published.number, published.as_of,
    published.closed_at,
    (
      SELECT coalesce(max(restatement.restatement), 0)
      FROM restatements AS restatement
      WHERE restatement.contract_id = published.contract_id
    ),
    published.body, published.sha256
  FROM jsonb_populate_recordset(NULL::statements, :rows::jsonb) AS published
  ON CONFLICT DO NOTHING
  RETURNING number
)
SELECT count(*) FROM adopted;

-- name: damaged_statements()
-- Statements that are no longer as they were frozen.
SELECT
  contract_id, period_start, sha256, encode(sha256(convert_to(body, 'UTF8')), 'hex') AS body_sha256
FROM consumption.statements
WHERE sha256 <> encode(sha256(convert_to(body, 'UTF8')), 'hex')
ORDER BY contract_id, period_start;

-- name: list_statements(contract, after, max_rows)
-- In the order frozen, those after a number.
SELECT body, sha256
FROM statements
WHERE contract_id = :contract AND number > :after
ORDER BY number
LIMIT :max_rows;

-- name: find_statement(contract, period_start)^
SELECT body, sha256
FROM statements
WHERE contract_id = :contract AND period_start = :period_start;

-- name: statement_restatements(contract, period_start, max_rows)
-- What corrects the statement of a period, in the order learned; the newest where there are many, and their number.
SELECT
  newest.restatement, newest.contract_id, contract.code AS contract_code, newest.statement_number,
  newest.statement_sha256, newest.period_start, newest.period_end, newest.account_id,
  account_name(newest.contract_id, newest.account_id) AS account_name,
  is_billable(newest.contract_id, newest.account_id, newest.statement_body) AS billable,
  newest.before_seconds, newest.after_seconds, as_minor(newest.before_amount, 3600) AS before_amount_minor,
  as_minor(newest.after_amount, 3600) AS after_amount_minor, contract.currency, newest.cause, newest.restated_at,
  newest.total
FROM (
  SELECT
    restatement.restatement, restatement.contract_id, statement.number AS statement_number,
    statement.sha256 AS statement_sha256, statement.body AS statement_body,
    restatement.period_start, restatement.period_end, restatement.account_id,
    restatement.before_seconds, restatement.after_seconds, restatement.before_amount, restatement.after_amount,
    restatement.cause, restatement.restated_at, count(*) OVER () AS total
  FROM restatements AS restatement
  JOIN statements AS statement USING (contract_id, period_start)
  WHERE restatement.contract_id = :contract AND restatement.period_start = :period_start
    AND restatement.restatement > statement.last_restatement
  ORDER BY restatement.restatement DESC
  LIMIT :max_rows
) AS newest
JOIN contracts AS contract USING (contract_id)
ORDER BY newest.restatement;

-- name: statement_today(contract, starts)$
-- What a period comes to today, in the form of a statement; null where the contract does not have it.
SELECT body::text FROM statement_bodies(:contract, :starts::date[]);
