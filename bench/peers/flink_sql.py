"""Last-writer sums by account with Flink SQL: its Kafka source, a Top-1 for each worklog, its JDBC sink."""

import os

from pyflink.table import EnvironmentSettings, TableEnvironment

SETTINGS = {
    "parallelism.default": "2",
    "execution.checkpointing.interval": "2 s",
    "execution.checkpointing.dir": "file://{BENCH_FOLDER}",
    "table.exec.mini-batch.enabled": "true",
    "table.exec.mini-batch.allow-latency": "200 ms",
    "table.exec.mini-batch.size": "20000",
    "table.optimizer.agg-phase-strategy": "TWO_PHASE",
    "taskmanager.numberOfTaskSlots": "2",
}
SOURCE = """
CREATE TABLE events (
  worklog_id STRING, issue_id STRING, seconds INT, updated_at STRING, deleted_at STRING
) WITH (
  'connector' = 'kafka',
  'topic' = '{BENCH_TOPIC}',
  'properties.bootstrap.servers' = '{BENCH_BOOTSTRAP}',
  'properties.group.id' = 'flink',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'json'
)
"""
SINK = """
CREATE TABLE account_totals (
  account INT, seconds BIGINT, worklogs BIGINT, PRIMARY KEY (account) NOT ENFORCED
) WITH (
  'connector' = 'jdbc',
  'url' = '{BENCH_JDBC_URL}',
  'table-name' = 'account_totals',
  'username' = '{BENCH_USER}',
  'password' = '{BENCH_PASSWORD}',
  'sink.buffer-flush.max-rows' = '1000',
  'sink.buffer-flush.interval' = '200 ms'
)
"""
# Text compares as times do here: all are UTC to the second. A deletion wins at equal times.
SUMS = """
INSERT INTO account_totals
SELECT account, SUM(seconds), COUNT(*)
FROM (
  SELECT
    MOD(CAST(SUBSTRING(issue_id, 2) AS INT), 800) AS account, seconds, deleted_at,
    ROW_NUMBER() OVER (
      PARTITION BY worklog_id ORDER BY COALESCE(deleted_at, updated_at) DESC, COALESCE(deleted_at, '') DESC
    ) AS version_rank
  FROM events
)
WHERE version_rank = 1 AND deleted_at IS NULL
GROUP BY account
"""


def main() -> None:
    """Run the job until the process is ended."""
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    for name, value in SETTINGS.items():
        tables.get_config().set(name, value.format(**os.environ))
    tables.execute_sql(SOURCE.format(**os.environ))
    tables.execute_sql(SINK.format(**os.environ))
    tables.execute_sql(SUMS).wait()


if __name__ == "__main__":
    main()
