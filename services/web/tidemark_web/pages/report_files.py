"""A delivery report as a file: CSV, XLSX or PDF, from the tables that the page shows. Pure."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.resources import files
from typing import Any, NamedTuple

import typst
import xlsxwriter
from xlsxwriter.worksheet import Worksheet

from tidemark_shared.domain.bodies import minor_digits
from tidemark_web.pages.charts import Curve
from tidemark_web.pages.client import Json
from tidemark_web.pages.formatting import HourStyle, format_day
from tidemark_web.pages.report_chart import draw_curve
from tidemark_web.pages.report_tables import Cell, Figure, Percent, Table, columns_of_all, is_number, show

_SECONDS_PER_HOUR = 3600
_FOUR_DECIMALS = Decimal("0.0001")
# A spreadsheet takes a text that begins so for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_SHEET_NAME_LENGTH = 31
_WIDE_TABLES = ("contracts",)

Tables = Mapping[str, Table]


class Chart(NamedTuple):
    """The curve of a contract on paper."""

    contract: str
    since: str
    curve: Curve


class Format(NamedTuple):
    """A kind of file."""

    label: str
    media_type: str


FORMATS = {
    "pdf": Format("PDF", "application/pdf"),
    "xlsx": Format("Excel", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "csv": Format("CSV", "text/csv; charset=utf-8"),
}


def write_file(extension: str, report: Json, tables: Tables, charts: Sequence[Chart], style: HourStyle) -> bytes:
    """The file of a kind in FORMATS."""
    if extension == "csv":
        return write_csv(tables)
    if extension == "xlsx":
        return write_xlsx(report, tables)
    return write_pdf(report, tables, charts, style)


def write_csv(tables: Tables) -> bytes:
    """All rows under one header: the first column names the table, and columns that a table lacks are empty.

    Hours and money are exact: ``…_seconds`` and ``…_amount_minor``, with the same as decimals beside them.
    """
    records = [{"table": table.name, **_expand(row)} for table in tables.values() for row in table.rows]
    found = {name for record in records for name in record}
    header = ["table", *(name for key in columns_of_all(tables.values()) for name in _names(key) if name in found)]
    header += ["currency"] if "currency" in found else []
    output = io.StringIO()
    writer = csv.DictWriter(output, header, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(records)
    # With the mark of UTF-8, without which Excel takes the text for another encoding.
    return output.getvalue().encode("utf-8-sig")


def _names(key: str) -> tuple[str, ...]:
    return key, f"{key}_seconds", f"{key}_hours", f"{key}_amount_minor", f"{key}_amount"


def _expand(row: Mapping[str, Cell]) -> dict[str, str | int]:
    """The columns of a row in CSV."""
    record: dict[str, str | int] = {}
    for key, cell in row.items():
        if isinstance(cell, Figure):
            if cell.amount is None:
                continue
            if cell.currency:
                money = str(_to_money(cell.amount, cell.currency))
                record |= {f"{key}_amount_minor": cell.amount, f"{key}_amount": money, "currency": cell.currency}
            else:
                hours = (Decimal(cell.amount) / _SECONDS_PER_HOUR).quantize(_FOUR_DECIMALS)
                record |= {f"{key}_seconds": cell.amount, f"{key}_hours": str(hours)}
        elif isinstance(cell, str):
            record[key] = f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell
        elif isinstance(cell, Percent):
            record[key] = cell.text or ""
        elif isinstance(cell, datetime):
            record[key] = cell.astimezone(UTC).isoformat()
        elif isinstance(cell, date):
            record[key] = cell.isoformat()
        elif cell is not None:
            record[key] = cell
    return record


def write_xlsx(report: Json, tables: Tables) -> bytes:
    """A workbook with a sheet for each table. Hours are decimals, so that they can be added up."""
    output = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(output, options) as workbook:
        workbook.set_properties({"title": _title(report), "created": _moment(report).replace(tzinfo=None)})
        add_format: Callable[[dict[str, Any]], Any] = workbook.add_format
        header = add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        formats: dict[str, Any] = {}

        def format_of(code: str) -> Any:
            if code not in formats:
                formats[code] = add_format({"num_format": code})
            return formats[code]

        for table in tables.values():
            sheet: Worksheet = workbook.add_worksheet(table.title[:_SHEET_NAME_LENGTH])
            for position, label in enumerate(table.columns.values()):
                sheet.write_string(0, position, label, header)
            for number, row in enumerate(table.rows, 1):
                for position, cell in enumerate(row.values()):
                    _write_cell(sheet, number, position, cell, format_of)
            sheet.freeze_panes(1, 1)
            sheet.autofit()
            sheet.set_landscape()
            sheet.set_paper(9)
            sheet.fit_to_pages(1, 0)
            sheet.repeat_rows(0)
            sheet.set_footer(f"&L{_title(report).replace('&', '&&')}&R&P / &N")
            if table.rows:
                sheet.autofilter(0, 0, len(table.rows), len(table.columns) - 1)
    return output.getvalue()


def _write_cell(sheet: Worksheet, row: int, column: int, cell: Cell, format_of: Callable[[str], Any]) -> None:
    if isinstance(cell, Figure):
        if cell.amount is None:
            return
        number, unit, digits = Decimal(cell.amount) / _SECONDS_PER_HOUR, "h", 2
        if cell.currency:
            number, unit = _to_money(cell.amount, cell.currency), cell.currency
            digits = minor_digits(cell.currency) or 0
        decimals = f".{'0' * digits}" if digits else ""
        sheet.write_number(row, column, float(number), format_of(f'#,##0{decimals} "{unit}"'))
    elif isinstance(cell, Percent):
        if cell.text is not None:
            sheet.write_number(row, column, float(Decimal(cell.text) / 100), format_of("0.00%"))
    elif isinstance(cell, datetime):
        sheet.write_datetime(row, column, cell.astimezone(UTC).replace(tzinfo=None), format_of("yyyy-mm-dd hh:mm"))
    elif isinstance(cell, date):
        sheet.write_datetime(row, column, datetime(cell.year, cell.month, cell.day), format_of("yyyy-mm-dd"))  # noqa: DTZ001 - a day
    elif isinstance(cell, int):
        sheet.write_number(row, column, cell)
    elif cell is not None:
        sheet.write_string(row, column, cell)


def write_pdf(report: Json, tables: Tables, charts: Sequence[Chart], style: HourStyle) -> bytes:
    """A PDF on A4, tagged (PDF/UA-1). It names its moment, not the time at which it was made."""
    document = {
        "title": _title(report),
        "customer": report["organization_name"] or "Unknown customer",
        "range": f"{format_day(report['from'])} \N{EN DASH} {format_day(report['to'])}",
        "moment": f"{format_day(_moment(report).date())}, {_moment(report):%H:%M} UTC",
        "tables": [_to_document(table, style) for table in tables.values() if table.rows],
        "charts": [
            {
                "title": f"{chart.contract}: executed against contracted",
                "since": chart.since,
                "svg": draw_curve(chart.curve),
                "text": f"{chart.contract}, executed against contracted since {chart.since}. "
                "The tables below have the figures.",
            }
            for chart in charts
        ],
    }
    template = (files("tidemark_web") / "templates" / "report.typ").read_bytes()
    content = typst.compile(
        template,
        sys_inputs={"document": json.dumps(document)},
        format="pdf",
        pdf_standards="ua-1",
        ignore_system_fonts=True,
        timestamp=int(_moment(report).timestamp()),
    )
    assert isinstance(content, bytes)  # noqa: S101 - without a path it answers the document
    return content


def _to_document(table: Table, style: HourStyle) -> dict[str, Any]:
    """A table in text. A column without any value is left out: paper is narrow."""
    used = [key for key in table.columns if any(_has_value(row[key]) for row in table.rows)]
    return {
        "name": table.name,
        "title": table.title,
        "is_wide": table.name in _WIDE_TABLES,
        "columns": [
            {"label": table.columns[key], "is_number": any(is_number(row[key]) for row in table.rows)} for key in used
        ],
        "rows": [[show(row[key], style) for key in used] for row in table.rows],
    }


def _has_value(cell: Cell) -> bool:
    return cell is not None and not (isinstance(cell, Figure) and cell.amount is None)


def _to_money(minor: int, currency: str) -> Decimal:
    return Decimal(minor).scaleb(-(minor_digits(currency) or 0))


def _title(report: Json) -> str:
    return f"Delivery report, {report['organization_name'] or 'unknown customer'}, {report['from']} to {report['to']}"


def _moment(report: Json) -> datetime:
    return datetime.fromisoformat(report["moment"]).astimezone(UTC)
