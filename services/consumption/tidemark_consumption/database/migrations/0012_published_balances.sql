-- the balances that lists read

CREATE TABLE published_balances (
  contract_id uuid PRIMARY KEY,
  attention text[] NOT NULL,
  urgency smallint NOT NULL,
  body jsonb NOT NULL
);
COMMENT ON TABLE published_balances IS
'Each balance as it was last published, and why its contract needs attention, the most urgent reason first. Lists read '
'this table, because a balance takes milliseconds to compute.';

-- Each balance is published again, which fills the table.
UPDATE balances SET revision = revision + 1;
