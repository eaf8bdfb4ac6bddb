"""A change from the request to the mail, in real processes: as one trace, and in the metrics of each process."""

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import NamedTuple

import httpx
import pytest
from api_tokens import bearer
from cli_stack import run_services
from mail_server import MailServer
from polling import wait_until
from prometheus_client.parser import text_string_to_metric_families
from trace_collector import Span, draw, running_collector

CLIENT_TRACE = "0af7651916cd43dd8448eb211c80319c"
ORGANIZATION = {"name": "Acme", "timezone": "UTC", "contacts": [{"name": "Ann", "email": "ann@acme.example"}]}
CONTRACT = {
    "code": "C1", "name": "Support", "owner": {"name": "Olga", "email": "olga@provider.example"},
    "type": "time_and_materials", "start_date": "2026-01-01", "end_date": "2099-12-31", "timezone": "UTC",
    "contracted_hours": "10", "accounts": [{"name": "Help desk", "planned_hours": "10"}],
}  # fmt: skip
RULE = {
    "name": "Warn", "scope": {"kind": "global"},
    "trigger": {"kind": "consumed_percent", "of": "contract", "over": "whole", "at": ["80"]},
    "receivers": [{"kind": "owner"}], "channels": ["email"],
}  # fmt: skip
NAMES = {
    "web: POST /{path:path}", "consumption: POST /v1/worklogs", "consumption: process worklog.events",
    "consumption: fold", "consumption: balance", "consumption: publish balances",
    "notifier: process consumption.balances", "notifier: notification", "notifier: publish outbox",
    "notifier: deliver email", "contracts: process notifier.notifications",
}  # fmt: skip


def event(type_: str, **data: object) -> dict[str, object]:
    return {"specversion": "1.0", "id": type_, "source": "/tracker", "type": f"tidemark.{type_}.v1", "data": data}


WORK = [
    event("issue.linked", issue_id="I-1", contract_id="C1", account_id="Help desk", updated_at="2026-03-02T08:00:00Z"),
    event(
        "worklog.recorded", worklog_id="1", issue_id="I-1", author_id="ann", seconds=9 * 3600,
        started_at="2026-03-02T09:00:00Z", updated_at="2026-03-02T18:00:00Z",
    ),
]  # fmt: skip


class Monitored(NamedTuple):
    environment: dict[str, str]
    spans: list[Span]
    metrics: dict[str, dict[str, float]]
    """Of each process, the samples: the name with its labels, and the value."""


@pytest.fixture(scope="module")
async def monitored(
    database_of_file, kafka_bootstrap_servers, topic_prefix_of_file, tmp_path_factory
) -> AsyncIterator[Monitored]:
    """A contract whose owner was warned by mail, and the processes that did it."""
    mail_server = MailServer()
    await mail_server.start()
    services = ["contracts", "consumption", "notifier"]
    parts = database_of_file, kafka_bootstrap_servers, topic_prefix_of_file, services
    logs = tmp_path_factory.mktemp("logs")
    async with running_collector() as (collector, spans):
        settings = {"TIDEMARK_SMTP_URL": f"smtp://127.0.0.1:{mail_server.port}", "TIDEMARK_OTLP_ENDPOINT": collector}
        async with (
            run_services(*parts, logs=logs, OTEL_BSP_SCHEDULE_DELAY="100", **settings) as environment,
            httpx.AsyncClient(base_url=environment["TIDEMARK_API_URL"], timeout=90) as api,
        ):
            organization = await post(api, "/v1/organizations", ORGANIZATION)
            await post(api, "/v1/contracts", CONTRACT | {"organization_id": organization["id"]})
            await post(api, "/v1/rules", RULE)
            await post(api, "/v1/contracts/C1/activate", {}, {"if-match": "*"})
            # Otherwise the work might count by the activation alone, and be part of its trace.
            await wait_until(lambda: is_active(api))
            traceparent = f"00-{CLIENT_TRACE}-b7ad6b7169203331-01"
            await post(api, "/v1/worklogs", WORK, {"traceparent": traceparent})
            await wait_until(lambda: mail_server.mails, timeout_seconds=150)
            await wait_until(lambda: {f"{s.service}: {s.name}" for s in spans if s.trace_id == CLIENT_TRACE} >= NAMES)
            await wait_until(lambda: is_shown(api, "/contracts/C1"))
            await api.get("/v1/nothing/4711")
            await api.request("TRICK", "/v1/contracts")
            metrics = {
                name: await read(environment[f"TIDEMARK_{key}_URL"])
                for name, key in {**{name: name.upper() for name in services}, "web": "API"}.items()
            }
            yield Monitored(environment, spans, metrics)
    await mail_server.stop()


async def is_active(api):
    balance = await api.get("/v1/contracts/C1/balance")
    return balance.is_success and balance.json()["status"] == "ACTIVE"


async def is_shown(api, path):
    return (await api.get(path)).is_success


async def post(api, path, body, headers=None):
    response = await api.post(path, json=body, headers=headers)
    assert response.is_success, response.text
    return response.json()


async def read(url: str) -> dict[str, float]:
    async with httpx.AsyncClient() as client:
        response = await client.get(f"{url}/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    return {
        sample.name + "".join(f" {name}={value}" for name, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def test_request_fold_notification_and_mail_are_one_trace(monitored):
    trace = [span for span in monitored.spans if span.trace_id == CLIENT_TRACE]
    print(draw(trace))
    by_id = {span.id: span for span in trace}
    [mail] = [span for span in trace if span.name == "deliver email"]
    path = [mail]
    while path[-1].parent_id in by_id:
        path.append(by_id[path[-1].parent_id])
    assert [f"{span.service}: {span.name}" for span in reversed(path)] == [
        "web: POST /{path:path}",
        "consumption: POST /v1/worklogs",
        "consumption: process worklog.events",
        "consumption: fold",
        "consumption: balance",
        "notifier: process consumption.balances",
        "notifier: notification",
        "notifier: deliver email",
    ]
    assert path[-1].parent_id == "b7ad6b7169203331"
    assert path[-2].attributes["http.response.status_code"] == 202
    starts = [span.start_ns for span in path]
    assert starts == sorted(starts, reverse=True)


def test_relay_publishes_within_the_trace_and_before_the_reader(monitored):
    spans = [span for span in monitored.spans if span.trace_id == CLIENT_TRACE]
    relay = next(span for span in spans if span.name == "publish balances")
    balance = next(span for span in spans if span.id == relay.parent_id)
    reader = next(span for span in spans if span.parent_id == balance.id and span.service == "notifier")
    assert (relay.service, balance.name, reader.name) == ("consumption", "balance", "process consumption.balances")
    assert relay.attributes["tidemark.records"] >= 1
    assert balance.start_ns < relay.start_ns < reader.start_ns


def test_spans_name_nobody(monitored):
    texts = " ".join(f"{span.name} {span.attributes}" for span in monitored.spans)
    assert [word for word in ("C1", "I-1", "ann", "olga", "Acme", "4711", "TRICK") if word in texts] == []


def test_metrics_show_the_way_of_a_worklog(monitored):
    consumption, notifier = monitored.metrics["consumption"], monitored.metrics["notifier"]
    assert consumption["tidemark_consumed_records_total topic=worklog.events"] == 2
    assert consumption["tidemark_fold_size_records_sum"] >= 4
    assert consumption["tidemark_fold_duration_seconds_count"] >= 2
    assert 0 < consumption["tidemark_publish_to_fold_seconds_sum"] < 300
    assert consumption["tidemark_outbox_published_records_total outbox=balances"] >= 1
    assert consumption["tidemark_balance_duration_seconds_count"] >= 1
    assert {consumption[f"tidemark_consumer_lag_records partition={n} topic=worklog.events"] for n in range(4)} == {0}
    assert consumption["tidemark_consumer_check_timestamp_seconds"] > consumption["process_start_time_seconds"]
    assert notifier["tidemark_evaluated_contracts_total"] >= 1
    # Longer than it takes to begin: each evaluation waits for Postgres several times.
    total, count = (notifier[f"tidemark_evaluation_duration_seconds_{part}"] for part in ("sum", "count"))
    assert total / count > 0.0001
    assert notifier["tidemark_raised_notifications_total kind=crossing"] == 1
    assert notifier["tidemark_delivery_attempts_total channel=email outcome=delivered"] == 1
    assert 0 < notifier["tidemark_delivery_age_seconds_sum channel=email"] < 60


@pytest.mark.parametrize("service", ["contracts", "consumption", "notifier"])
def test_metrics_of_a_service_show_what_waits(monitored, service):
    metrics = monitored.metrics[service]
    assert metrics["tidemark_queue_items queue=outbox"] >= 0
    assert metrics["tidemark_measured_timestamp_seconds"] > metrics["process_start_time_seconds"]
    assert metrics["tidemark_dead_letters_waiting_records"] == 0
    limit, used, idle = (
        sum(value for name, value in metrics.items() if name.startswith(prefix) and end in name)
        for prefix, end in (
            ("tidemark_pool_limit_connections", ""),
            ("tidemark_pool_connections", "state=used"),
            ("tidemark_pool_connections", "state=idle"),
        )
    )
    assert 0 < used + idle <= limit


def test_http_metrics_name_routes_and_never_paths(monitored):
    web, contracts = monitored.metrics["web"], monitored.metrics["contracts"]
    count = "tidemark_http_requests_total"
    assert contracts[f"{count} method=POST route=/v1/contracts/{{contract:path}}/activate status=200"] == 1
    assert web[f"{count} method=GET route=/contracts/{{reference:path}} status=200"] >= 1
    assert web[f"{count} method=GET route=/{{path:path}} status=404"] >= 1
    assert [name for name in web if name.startswith(f"{count} method=other")]
    names = " ".join(name for metrics in monitored.metrics.values() for name in metrics)
    assert re.findall("C1|4711|TRICK|/v1/nothing|metrics|healthz|readyz", names) == []


async def test_metrics_have_the_trace_of_a_request_as_an_exemplar(monitored):
    async with httpx.AsyncClient() as client:
        url = monitored.environment["TIDEMARK_CONSUMPTION_URL"]
        response = await client.get(f"{url}/metrics", headers={"accept": "application/openmetrics-text"})
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert f'trace_id="{CLIENT_TRACE}"' in response.text


async def test_metrics_of_a_service_are_not_reached_through_web(monitored):
    async with httpx.AsyncClient(base_url=monitored.environment["TIDEMARK_API_URL"]) as web:
        for path in ("/v1/services/contracts/metrics", "/metrics/", "/v1/contracts/%2e%2e/%2e%2e/metrics"):
            response = await web.get(path, headers=bearer())
            assert (response.status_code, b"tidemark_" in response.content) == (404, False), path


async def test_process_without_a_collector_does_not_load_the_sdk():
    code = (
        "import sys; from tidemark_shared.settings import Settings; import tidemark_consumption.app as app;"
        "from tidemark_shared import tracing; app.create_app(Settings()); tracing.configure('x', None);"
        "ns = [tracing.span('a', causes=['b']), tracing.traceparent(), tracing.exemplar()];"
        "parts = 'opentelemetry.sdk', 'opentelemetry.exporter';"
        "print([name for name in sys.modules if name.startswith(parts)], *ns[1:])"
    )
    result = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], capture_output=True, check=True)
    assert result.stdout == b"[] None None\n"
