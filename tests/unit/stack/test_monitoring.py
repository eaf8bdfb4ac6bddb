"""Alerts and the board: each of their queries names what exists, each alert is tested and has a runbook."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client import Counter, Gauge, Histogram

from tidemark.documents import generate  # imports every process, and with it the metrics that it declares
from tidemark_shared import metrics
from tidemark_shared.metrics import FAMILIES

ROOT = Path(__file__).parents[3]
ALERTS = ROOT / "deploy/prometheus"
BOARD = ROOT / "deploy/grafana/tidemark.json"
RULES = yaml.safe_load((ALERTS / "rules.yaml").read_text())["groups"][0]["rules"]
# Those that Prometheus, and every program in Python, adds.
TARGET_LABELS = {"job", "instance"}
OTHERS = {
    "up": set(),
    "ALERTS": {"alertname", "alertstate"},
    "process_cpu_seconds_total": set(),
    "process_resident_memory_bytes": set(),
}


def known_labels(name: str) -> set[str] | None:
    """The labels of a time series; None if no process shows it."""
    if name in OTHERS:
        return OTHERS[name] | TARGET_LABELS
    for family in FAMILIES.values():
        suffixes = {"_bucket": {"le"}, "_sum": set(), "_count": set()} if family.kind == "histogram" else {"": set()}
        for suffix, added in suffixes.items():
            if name == family.name + suffix:
                return {*family.labels} | added | TARGET_LABELS
    return None


def find_errors(query: str) -> list[str]:
    """The names of metrics and labels in a query that do not exist."""
    text = query.replace("$__rate_interval", "5m")
    return [*_errors(promql_parser.parse(text))] + ([] if "tidemark_" in query or "ALERTS" in query else ["not ours"])


def _errors(node: Any) -> Iterator[str]:
    labels = set().union(*(known_labels(name) or set() for name in _names(node)))
    match node:
        case promql_parser.VectorSelector():
            if known_labels(node.name) is None:
                yield f"unknown metric {node.name}"
            yield from (f"unknown label {m.name}" for m in node.matchers.matchers if m.name not in labels)
        case promql_parser.AggregateExpr():
            wanted = node.modifier.labels if node.modifier else []
            yield from (f"unknown label {label}" for label in wanted if label not in labels)
        case promql_parser.BinaryExpr() if node.modifier and node.modifier.matching:
            yield from (f"unknown label {label}" for label in node.modifier.matching.labels if label not in labels)
    for child in _children(node):
        yield from _errors(child)


def _names(node: Any) -> set[str]:
    if isinstance(node, promql_parser.VectorSelector):
        return {node.name}
    return set().union(*map(_names, _children(node)))


def _children(node: Any) -> list[Any]:
    match node:
        case promql_parser.BinaryExpr():
            return [node.lhs, node.rhs]
        case promql_parser.AggregateExpr() | promql_parser.ParenExpr() | promql_parser.UnaryExpr():
            return [node.expr]
        case promql_parser.SubqueryExpr():
            return [node.expr]
        case promql_parser.Call():
            return [*node.args]
        case promql_parser.MatrixSelector():
            return [node.vector_selector]
    return []


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("rate(tidemark_http_requests[5m])", "unknown metric tidemark_http_requests"),
        ("tidemark_fold_duration_seconds > 1", "unknown metric tidemark_fold_duration_seconds"),
        ('tidemark_http_requests_total{code="500"}', "unknown label code"),
        ("sum by (queue) (rate(tidemark_http_requests_total[5m])) > 0", "unknown label queue"),
        ("up and on (pod) tidemark_build_info", "unknown label pod"),
        ("max(max_over_time(tidemark_gone[1h:5m]))", "unknown metric tidemark_gone"),
    ],
)
def test_query_with_a_wrong_name_is_found(query: str, error: str) -> None:
    assert error in find_errors(query)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_alert_names_what_exists_and_what_to_do(rule: dict[str, Any]) -> None:
    assert find_errors(rule["expr"]) == []
    file, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert anchor == rule["alert"].lower()
    assert f"\n#### {rule['alert']}\n" in (ROOT / file).read_text()
    labels = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    assert labels <= set().union(*(known_labels(name) or set() for name in _names(promql_parser.parse(rule["expr"]))))


def test_each_alert_fires_and_clears_in_its_test() -> None:
    tests = {test["name"]: test for test in yaml.safe_load((ALERTS / "rules_test.yaml").read_text())["tests"]}
    assert list(tests) == [rule["alert"] for rule in RULES]
    for name, test in tests.items():
        fires, clears = test["alert_rule_test"]
        assert fires["alertname"] == clears["alertname"] == name
        assert (bool(fires["exp_alerts"]), clears["exp_alerts"]) == (True, [])
        for series in test["input_series"]:
            assert find_errors(series["series"]) in ([], ["not ours"])


def test_board_names_what_exists_and_loads() -> None:
    board = json.loads(BOARD.read_text())
    loaded = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
    assert loaded == board
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    for panel in panels:
        for target in panel["targets"]:
            assert find_errors(target["expr"]) == [], panel["title"]
            legend = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            names = _names(promql_parser.parse(target["expr"].replace("$__rate_interval", "5m")))
            assert legend <= set().union(*(known_labels(name) or set() for name in names)), panel["title"]
    shown = "".join(target["expr"] for panel in panels for target in panel["targets"])
    rules = "".join(rule["expr"] for rule in RULES)
    assert [name for name in FAMILIES if name not in shown + rules] == []


def test_board_is_what_its_generator_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import board  # noqa: PLC0415 - a script

    assert BOARD.read_text() == board.build()
    sys.modules.pop("board")


def test_every_metric_is_declared_by_the_conventions() -> None:
    assert "metrics.md" in generate()
    for family in FAMILIES.values():
        assert family.name.startswith("tidemark_")
        assert family.name.endswith("_total") == (family.kind == "counter"), family.name
        assert family.unit not in {"milliseconds", "ms", "minutes", "kilobytes", "percent"}, family.name
        assert family.meaning.endswith("."), family.name
        assert not {"id", "path", "url", "person", "contract", "receiver", "email"} & {*family.labels}, family.name


def test_every_metric_is_declared_in_one_way() -> None:
    """No module makes a metric that the documents and the checks do not know."""
    folders = [ROOT / "shared", ROOT / "services"]
    makers = {maker.__name__ for maker in (Counter, Gauge, Histogram)}
    files = [path for folder in folders for path in folder.rglob("*.py") if path != Path(metrics.__file__)]
    assert [
        path for path in files if re.search(rf"prometheus_client|\b({'|'.join(makers)})\(\n? *\"tide", path.read_text())
    ] == []
