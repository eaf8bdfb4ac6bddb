"""Workbooks that are small files and large tables."""

from pathlib import Path

import pytest
import xlsxwriter

from tidemark.importing.files import FileError
from tidemark.importing.tables import open_table


def test_workbook_with_a_cell_at_the_end_of_the_sheet_is_refused(tmp_path: Path) -> None:
    """Given a file of few bytes that needs 512 GiB as a table, then it is refused: it ended the whole process."""
    path = tmp_path / "times.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        sheet.write_string(0, 0, "first")
        sheet.write_string(1_048_575, 16_383, "last")
    with pytest.raises(FileError, match="far from the others"), open_table(path) as table:
        next(table.records)
