"""Last-writer sums by account with Pathway: its Kafka input, an argmax for each worklog, its Postgres output."""

import os
from urllib.parse import urlsplit

import pathway as pw


class Event(pw.Schema):
    """A worklog, recorded or deleted."""

    worklog_id: str
    issue_id: str
    seconds: int = pw.column_definition(default_value=0)
    updated_at: str = pw.column_definition(default_value="")
    deleted_at: str = pw.column_definition(default_value="")


def main() -> None:
    """Run the pipeline until the process is ended."""
    events = pw.io.kafka.read(
        {"bootstrap.servers": os.environ["BENCH_BOOTSTRAP"], "group.id": "pathway", "auto.offset.reset": "earliest"},
        topic=os.environ["BENCH_TOPIC"],
        schema=Event,
        format="json",
        autocommit_duration_ms=200,
    )
    events = events.with_columns(
        account=pw.this.issue_id.str.removeprefix("I").str.parse_int() % 800,
        # Text compares as times do here. A deletion wins at equal times.
        order=pw.if_else(pw.this.deleted_at != "", pw.this.deleted_at + "1", pw.this.updated_at + "0"),
    )
    latest = events.groupby(pw.this.worklog_id).reduce(at=pw.reducers.argmax(pw.this.order))
    latest = events.ix(latest.at).filter(pw.this.deleted_at == "")
    sums = latest.groupby(pw.this.account).reduce(
        pw.this.account, seconds=pw.reducers.sum(pw.this.seconds), worklogs=pw.reducers.count()
    )
    url = urlsplit(os.environ["BENCH_DATABASE_URL"])
    pw.io.postgres.write(
        sums,
        {
            "host": url.hostname,
            "port": str(url.port),
            "dbname": url.path[1:],
            "user": url.username,
            "password": url.password,
        },
        table_name="account_totals",
        output_table_type="snapshot",
        primary_key=[sums.account],
    )
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)


if __name__ == "__main__":
    main()
