"""The Grafana board of Tidemark. ``python scripts/board.py`` writes ``deploy/grafana/tidemark.json``."""

import json
import sys
from itertools import count
from pathlib import Path
from string import ascii_uppercase

from grafana_foundation_sdk.builders.common import VizLegendOptions
from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, QueryVariable, Row
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.timeseries import Panel
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableRefresh

PATH = Path(__file__).parents[1] / "deploy/grafana/tidemark.json"
_SOURCE = DataSourceRef(type_val="prometheus", uid="${source}")
_WIDTH, _HEIGHT = 8, 7
_JOB = 'job=~"$job"'


def _greatest(gauge: str, *by: str) -> str:
    """Every process of a service shows the same."""
    return f"max by ({', '.join(by)}) ({gauge}{{{_JOB}}})"


def _rate(counter: str, *by: str, where: str = _JOB) -> str:
    return f"sum by ({', '.join(by)}) (rate({counter}{{{where}}}[$__rate_interval]))"


def _increase(counter: str, *by: str) -> str:
    return f"sum by ({', '.join(by)}) (increase({counter}{{{_JOB}}}[$__rate_interval]))"


def _quantile(share: float, histogram: str, *by: str) -> str:
    return f"histogram_quantile({share}, {_rate(f'{histogram}_bucket', *by, 'le')})"


# Of each row the panels: title, unit, and for each query what its lines are called.
ROWS: dict[str, list[tuple[str, str, dict[str, str]]]] = {
    "Is everything well?": [
        (
            "Alerts",
            "short",
            {'count by (alertname) (ALERTS{alertname=~"Tidemark.*", alertstate="firing"})': "{{alertname}}"},
        ),
        ("Reasons why no progress is made", "short", {_greatest("tidemark_problems", "job"): "{{job}}"}),
        ("Dead letters that wait", "short", {_greatest("tidemark_dead_letters_waiting_records", "job"): "{{job}}"}),
    ],
    "From a record to a figure": [
        ("Behind, in time", "s", {_greatest("tidemark_consumer_lag_seconds", "job", "topic"): "{{job}}: {{topic}}"}),
        (
            "Behind, in records",
            "short",
            {
                f"sum by (job, topic) ({_greatest('tidemark_consumer_lag_records', 'job', 'topic', 'partition')})": (
                    "{{job}}: {{topic}}"
                )
            },
        ),
        ("Records processed", "cps", {_rate("tidemark_consumed_records_total", "job", "topic"): "{{job}}: {{topic}}"}),
        (
            "From publication until it counts",
            "s",
            {
                _quantile(0.5, "tidemark_publish_to_fold_seconds"): "50 of 100",
                _quantile(0.99, "tidemark_publish_to_fold_seconds"): "99 of 100",
            },
        ),
        (
            "Time of a fold",
            "s",
            {
                _quantile(0.5, "tidemark_fold_duration_seconds"): "50 of 100",
                _quantile(0.95, "tidemark_fold_duration_seconds"): "95 of 100",
            },
        ),
        ("Records in a fold", "short", {_quantile(0.95, "tidemark_fold_size_records"): "95 of 100"}),
        ("Oldest that waits", "s", {_greatest("tidemark_queue_age_seconds", "job", "queue"): "{{job}}: {{queue}}"}),
        ("What waits", "short", {_greatest("tidemark_queue_items", "job", "queue"): "{{job}}: {{queue}}"}),
        (
            "Records published",
            "cps",
            {_rate("tidemark_outbox_published_records_total", "job", "outbox"): "{{job}}: {{outbox}}"},
        ),
        (
            "Time of a batch, 95 of 100",
            "s",
            {_quantile(0.95, "tidemark_consumer_batch_duration_seconds", "job", "topic"): "{{job}}: {{topic}}"},
        ),
        (
            "Time of a balance",
            "s",
            {
                _quantile(0.5, "tidemark_balance_duration_seconds"): "50 of 100",
                _quantile(0.95, "tidemark_balance_duration_seconds"): "95 of 100",
            },
        ),
        (
            "Failures",
            "short",
            {
                _increase("tidemark_fold_failures_total", "job"): "{{job}}: a fold",
                _increase("tidemark_balance_failures_total", "job"): "{{job}}: a balance",
            },
        ),
        (
            "New dead letters",
            "short",
            {_increase("tidemark_dead_letters_total", "topic", "reason"): "{{topic}}: {{reason}}"},
        ),
    ],
    "From a figure to a mail": [
        ("Contracts evaluated", "cps", {_rate("tidemark_evaluated_contracts_total", "job"): "{{job}}"}),
        (
            "Time of an evaluation",
            "s",
            {
                _quantile(0.5, "tidemark_evaluation_duration_seconds"): "50 of 100",
                _quantile(0.95, "tidemark_evaluation_duration_seconds"): "95 of 100",
            },
        ),
        ("Notifications raised", "short", {_increase("tidemark_raised_notifications_total", "kind"): "{{kind}}"}),
        (
            "Attempts to deliver",
            "short",
            {_increase("tidemark_delivery_attempts_total", "channel", "outcome"): "{{channel}}: {{outcome}}"},
        ),
        (
            "From notification to delivery, 95 of 100",
            "s",
            {_quantile(0.95, "tidemark_delivery_age_seconds", "channel"): "{{channel}}"},
        ),
        (
            "Readings of trackers",
            "short",
            {_increase("tidemark_tracker_reads_total", "source", "outcome"): "{{source}}: {{outcome}}"},
        ),
        (
            "Since a tracker was read",
            "s",
            {f"time() - {_greatest('tidemark_tracker_read_timestamp_seconds', 'job', 'source')}": "{{source}}"},
        ),
    ],
    "HTTP": [
        ("Requests", "reqps", {_rate("tidemark_http_requests_total", "job"): "{{job}}"}),
        (
            "Errors",
            "reqps",
            {
                _rate("tidemark_http_requests_total", "job", "route", "status", where=f'{_JOB}, status=~"5.."'): (
                    "{{job}}: {{route}} {{status}}"
                ),
                _rate("tidemark_upstream_failures_total", "service"): "web: {{service}} unreachable",
            },
        ),
        (
            "Slowest routes, 95 of 100",
            "s",
            {
                f"topk(8, {_quantile(0.95, 'tidemark_http_request_duration_seconds', 'job', 'method', 'route')})": (
                    "{{job}}: {{method}} {{route}}"
                )
            },
        ),
    ],
    "Processes": [
        (
            "Processor",
            "percentunit",
            {
                f"{_rate('process_cpu_seconds_total', 'job', 'instance')} and on (job, instance) tidemark_build_info": (
                    "{{job}} {{instance}}"
                )
            },
        ),
        (
            "Memory",
            "bytes",
            {
                f"process_resident_memory_bytes{{{_JOB}}} and on (job, instance) tidemark_build_info": (
                    "{{job}} {{instance}}"
                )
            },
        ),
        (
            "Connections to Postgres in use",
            "percentunit",
            {
                f'sum by (job, workload) (tidemark_pool_connections{{{_JOB}, state="used"}})'
                f" / sum by (job, workload) (tidemark_pool_limit_connections{{{_JOB}}})": "{{job}}: {{workload}}"
            },
        ),
    ],
}


def build() -> str:
    """The board as JSON, as Grafana imports it."""
    board = Dashboard("Tidemark").uid("tidemark").tags(["tidemark"]).time("now-6h", "now").refresh("1m")
    board.with_variable(DatasourceVariable("source").label("Prometheus").type("prometheus"))
    jobs = QueryVariable("job").label("Service").datasource(_SOURCE).query("label_values(tidemark_build_info, job)")
    board.with_variable(
        jobs.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).multi(True).include_all(True)  # noqa: FBT003 - the SDK has it so
    )
    ids = count(1)
    for row, panels in ROWS.items():
        board.with_row(Row(row).id(next(ids)))
        for title, unit, queries in panels:
            panel = Panel().id(next(ids)).title(title).unit(unit).min(0).span(_WIDTH).height(_HEIGHT)
            panel.datasource(_SOURCE).legend(VizLegendOptions().show_legend(True))  # noqa: FBT003
            for ref_id, (query, legend) in zip(ascii_uppercase, queries.items(), strict=False):
                panel.with_target(Dataquery().ref_id(ref_id).expr(query).legend_format(legend).datasource(_SOURCE))
            board.with_panel(panel)
    return json.dumps(board.build(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] != ["--check"]:
        PATH.write_text(build())
    elif not PATH.is_file() or PATH.read_text() != build():
        sys.exit(f"{PATH} is out of date. Run `make docs` and commit it.")
