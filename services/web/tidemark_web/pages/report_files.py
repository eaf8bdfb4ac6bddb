"""A delivery report as CSV or XLSX, from the tables that the page shows. Pure."""

import csv
import io
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import xlsxwriter
from xlsxwriter.worksheet import Worksheet

from tidemark_shared.domain.bodies import minor_digits
from tidemark_shared.domain.text import escape_formula
from tidemark_web.pages.client import Json
from tidemark_web.pages.report_pdf import describe, moment_of
from tidemark_web.pages.report_tables import Cell, Figure, Percent, Table, columns_of_all

_SECONDS_PER_HOUR = 3600
_FOUR_DECIMALS = Decimal("0.0001")
_SHEET_NAME_LENGTH = 31

Tables = Mapping[str, Table]


class Format(NamedTuple):
    """A kind of file."""

    label: str
    media_type: str


FORMATS = {
    "pdf": Format("PDF", "application/pdf"),
    "xlsx": Format("Excel", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "csv": Format("CSV", "text/csv; charset=utf-8"),
}


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
            record[key] = escape_formula(cell)
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
        workbook.set_properties({"title": describe(report), "created": moment_of(report).replace(tzinfo=None)})
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
            sheet.set_footer(f"&L{describe(report).replace('&', '&&')}&R&P / &N")
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


def _to_money(minor: int, currency: str) -> Decimal:
    return Decimal(minor).scaleb(-(minor_digits(currency) or 0))
