"""Delivery reports and statements as PDF on A4, tagged for screen readers (PDF/UA-1), from their tables. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, NamedTuple

import typst

from tidemark_shared.language import Language
from tidemark_web.pages.charts import Bar, Curve, build_bar
from tidemark_web.pages.client import Json
from tidemark_web.pages.formatting import HourStyle, format_day, name_statement
from tidemark_web.pages.report_chart import draw_curve
from tidemark_web.pages.report_tables import Cell, Figure, Row, Table, is_number, name_period, show
from tidemark_web.pages.statement_tables import build_tables, list_facts

_FACTS = ("owner", "status", "start", "end", "executed", "non_billable", "unaccounted", "whole_planned",
          "whole_executed", "whole_left", "whole_percent", "exhausts_on", "exhausts_low", "exhausts_high")  # fmt: skip
_OF_CONTRACT = ("work", "people", "unaccounted", "restatements", "outlook", "days")
_PLANNED = ("planned", "carried", "available", "executed", "left", "percent")


class Chart(NamedTuple):
    """The curve of a contract on paper, and since when it counts."""

    contract: str
    since: str
    curve: Curve


def write_pdf(report: Json, tables: Mapping[str, Table], charts: Mapping[str, Chart], style: HourStyle) -> bytes:
    """The document. ``charts`` are by the contract's code. It names the moment of its figures, not when it was made."""
    moment = moment_of(report)
    document = {
        "title": describe(report),
        "kind": "Delivery report",
        "customer": report["organization_name"] or "Unknown customer",
        "range": f"{format_day(report['from'])} \N{EN DASH} {format_day(report['to'])}",
        "as_known": f"As known on {format_day(moment.date())}, {moment:%H:%M} UTC",
        "teams": _to_document(tables["teams"], tables["teams"].rows, style) if "teams" in tables else None,
        "contracts": [
            {
                "name": contract["contract_name"],
                "code": contract["contract_code"],
                "facts": list(_facts(tables, contract["contract_code"], style)),
                "chart": _chart(charts.get(contract["contract_code"])),
                "periods": _periods(tables, contract, style),
                "tables": [
                    _to_document(tables[name], rows, style)
                    for name in _OF_CONTRACT
                    if name in tables and (rows := tables[name].of(contract["contract_code"]))
                ],
            }
            for contract in report["contracts"]
        ],
    }
    return _compile(document, moment)


def write_statement_pdf(answer: Json, *, internal: bool) -> bytes:
    """A statement with what has changed since, without names of persons. ``internal`` shows what is not billable."""
    statement = answer["statement"]
    figures, moment = statement["figures"], datetime.fromisoformat(statement["as_of"]).astimezone(UTC)
    document = {
        "title": f"{name_statement(statement)}, {statement['contract_code']}",
        "kind": f"Statement {statement['number']}",
        "customer": statement["organization_name"] or "Unknown customer",
        "range": f"{format_day(figures['start'])} \N{EN DASH} {format_day(figures['end'])}",
        "as_known": f"As known on {format_day(moment.date())}, {moment:%H:%M} UTC",
        "teams": None,
        "contracts": [
            {
                "name": statement["contract_name"],
                "code": statement["contract_code"],
                "facts": [(label, show(cell, "minutes", unit=True)) for label, cell in list_facts(answer)],
                "chart": None,
                "periods": None,
                "tables": [
                    _to_document(table, table.rows, "minutes") for table in build_tables(answer, internal=internal)
                ],
            }
        ],
        "digest": statement["sha256"],
    }
    return _compile(document, moment)


def write_customer_statement_pdf(statement: Json, view: Json, customer: str, language: Language) -> bytes:
    """A statement as its customer sees it, from the texts of the page."""
    document = {
        "title": f"{view['title']}, {view['period_label']}, {statement['contract_code']}",
        "lang": language.tag.partition("-")[0],
        "kind": view["title"],
        "customer": customer,
        "range": view["period_label"],
        "as_known": view["frozen"],
        "teams": None,
        "contracts": [
            {
                "name": statement["contract_name"],
                "code": statement["contract_code"],
                "facts": view["facts"],
                "chart": None,
                "periods": None,
                "tables": [
                    {
                        "title": table.title,
                        "columns": [{"label": label, "is_number": is_number} for label, is_number in table.columns],
                        "rows": table.rows,
                    }
                    for table in view["tables"]
                ],
            }
        ],
        "digest": statement["sha256"],
    }
    return _compile(document, datetime.fromisoformat(statement["closed_at"]))


def _compile(document: Json, moment: datetime) -> bytes:
    content = typst.compile(
        (files("tidemark_web") / "templates" / "report.typ").read_bytes(),
        sys_inputs={"document": json.dumps(document)},
        format="pdf",
        pdf_standards="ua-1",
        ignore_system_fonts=True,
        timestamp=int(moment.timestamp()),
    )
    assert isinstance(content, bytes)  # noqa: S101 - without a path it answers the document
    return content


def describe(report: Json) -> str:
    """The title of a file."""
    return f"Delivery report, {report['organization_name'] or 'unknown customer'}, {report['from']} to {report['to']}"


def moment_of(report: Json) -> datetime:
    """When the figures were known."""
    return datetime.fromisoformat(report["moment"]).astimezone(UTC)


def _facts(tables: Mapping[str, Table], code: str, style: HourStyle) -> Iterator[tuple[str, str]]:
    """The figures of the whole contract under their labels."""
    if table := tables.get("contracts"):
        (row,) = table.of(code)
        yield from ((table.columns[key], show(row[key], style, unit=True))
                    for key in _FACTS if key in row and _has_value(row[key]))  # fmt: skip


def _chart(chart: Chart | None) -> dict[str, str] | None:
    if chart is None:
        return None
    text = f"{chart.contract}: executed against contracted since {chart.since}. The table of days has the figures."
    return {"since": chart.since, "svg": draw_curve(chart.curve), "text": text}


def _periods(tables: Mapping[str, Table], contract: Json, style: HourStyle) -> dict[str, Any] | None:
    """Planned and executed: the level, the name and the bar of each row, before its figures."""
    table = tables.get("planned")
    rows = table.of(contract["contract_code"]) if table else []
    if table is None or not rows:
        return None
    document = _to_document(table, rows, style, _PLANNED)
    for row, cells in zip(rows, document["rows"], strict=True):
        basis = row["available"] if row["level"] == "Contract" else row["planned"]
        name = row["team"] or row["account"] or name_period(row, contract["recurrence"])
        if row["level"] == "Account" and row.get("billable") == "no":
            name = f"{name} (not billable)"
        cells[:0] = [row["level"], name, _bar(row["executed"], basis)]
    return document


def _bar(executed: Cell, basis: Cell) -> dict[str, float] | None:
    """The parts of a bar in percent; a drawing may use floats."""
    if not (isinstance(executed, Figure) and isinstance(basis, Figure) and basis.amount):
        return None
    bar: Bar = build_bar(executed.amount or 0, basis.amount)
    return {name: float(getattr(bar, name).rstrip("%")) for name in ("used", "over", "limit")}


def _to_document(
    table: Table, rows: Sequence[Row], style: HourStyle, keys: Sequence[str] | None = None
) -> dict[str, Any]:
    """A table in text, without the contract. A column without any value is left out: paper is narrow."""
    used = [
        key
        for key in keys or [key for key in table.columns if key != "contract"]
        if any(_has_value(row[key]) for row in rows)
    ]
    return {
        "name": table.name,
        "title": table.title,
        "columns": [
            {"label": table.columns[key], "is_number": any(is_number(row[key]) for row in rows)} for key in used
        ],
        "rows": [[show(row[key], style) for key in used] for row in rows],
    }


def _has_value(cell: Cell) -> bool:
    return cell is not None and not (isinstance(cell, Figure) and cell.amount is None)
