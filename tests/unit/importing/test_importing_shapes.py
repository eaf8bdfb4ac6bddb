"""Files as people export them: each shape is read with its exact total, or refused with a reason."""

from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile
from zoneinfo import ZoneInfo

import pytest
import xlsxwriter
from importing_files import HOUR, MAPPING, TWO, read, read_text, total

from tidemark.importing.files import FileError
from tidemark.importing.identity import check_names, find_missing, identify_rows
from tidemark.importing.import_state import DELETED, Checkpoint
from tidemark.importing.mapping import MappingError, parse_mapping
from tidemark.importing.tables import open_table

JSON = '[{"Who": "A", "Project": "P", "Task": "T", "Start": "2026-03-02", "Time": 1.5}]'

TWICE = "Who,Project,Task,Start,Time,Time\nAnn,P,T,2026-03-02 09:00,1.5,x\n"


@pytest.mark.parametrize(
    ("content", "seconds"),
    [
        pytest.param(TWO, 3.5 * HOUR, id="plain"),
        pytest.param("\ufeff" + TWO.replace("Who", '"Who"'), 3.5 * HOUR, id="byte order mark before a quoted header"),
        pytest.param(b"\xff\xfe" + TWO.encode("utf-16-le"), 3.5 * HOUR, id="UTF-16"),
        pytest.param(TWO.encode("utf-16-le"), 3.5 * HOUR, id="UTF-16 without a mark"),
        pytest.param(TWO.encode("utf-16-be"), 3.5 * HOUR, id="UTF-16 without a mark, other way round"),
        pytest.param(TWO.replace("Ann", "Jörg").encode("cp1252"), 3.5 * HOUR, id="cp1252"),
        pytest.param(TWO + " , ,,,\n,,,,\n", 3.5 * HOUR, id="lines of delimiters"),
        pytest.param(TWO.replace("\n", "\r"), 3.5 * HOUR, id="lines that end with CR"),
        pytest.param("sep=;\n" + TWO.replace(",", ";"), 3.5 * HOUR, id="sep= line"),
        pytest.param(TWO.replace(",", ";").replace("1.5", "1,5"), 3.5 * HOUR, id="semicolons and decimal commas"),
        pytest.param(TWO.replace(",", "\t"), 3.5 * HOUR, id="tabs"),
        pytest.param("Time report\nMarch 2026, all teams\n\n" + TWO, 3.5 * HOUR, id="title lines"),
        pytest.param(TWO.replace("1.5", "1:30").replace(",2\n", ",02:00:00\n"), 3.5 * HOUR, id="hours and minutes"),
        pytest.param(TWO.replace("1.5", "1h 30m").replace(",2\n", ",PT2H\n"), 3.5 * HOUR, id="durations with units"),
        pytest.param(TWO.replace("2026-03-02 09:00", "03/02/2026 02:30 PM"), 3.5 * HOUR, id="AM and PM"),
        pytest.param(TWO.replace("2026-03-02 09:00", "1772438400"), 3.5 * HOUR, id="Unix time"),
        pytest.param(TWO.replace("2026-03-02 09:00", "1772438400000"), 3.5 * HOUR, id="Unix time in milliseconds"),
        pytest.param(TWO.replace("2026-03-02 09:00", "2026-03-02 24:00"), 3.5 * HOUR, id="24:00"),
        pytest.param(TWO + TWO.splitlines()[1], 5 * HOUR, id="equal rows"),
        pytest.param(TWICE, 1.5 * HOUR, id="same column twice"),
        pytest.param(JSON, 1.5 * HOUR, id="JSON"),
    ],
)
def test_shape_is_read_with_its_exact_total(tmp_path: Path, content: bytes | str, seconds: float) -> None:
    rows, refused = read_text(tmp_path, content)
    assert refused == []
    assert total(rows) == seconds


NOTES = "Who,Project,Task,Start,Time,Notes\nAnn,P,T,2026-03-02 09:00,1.5,\nAnn,P,T,2026-03-02 11:00,2,\n"


@pytest.mark.parametrize(
    ("content", "change", "seconds"),
    [
        pytest.param(TWO.replace(",", "|"), "", 3.5 * HOUR, id="bars"),
        pytest.param(NOTES, ', description = "{Notes}"', 3.5 * HOUR, id="empty notes"),
        pytest.param(TWO.replace("1.5", "5400000"), ', unit = "milliseconds"', 5400, id="milliseconds"),
        pytest.param(TWO.replace("1.5", "5400.00"), ', unit = "seconds"', 5402, id="seconds with fractions"),
        pytest.param(
            TWO.replace("1.5", "00:12:30.4"), ', rounding = "nearest"', 2 * HOUR + 750, id="fractions of a clock"
        ),
        pytest.param(
            TWO.replace("1.5", "0.583333"), ', rounding = "nearest"', 2 * HOUR + 2100, id="repeating decimals"
        ),
    ],
)
def test_shape_that_the_mapping_describes_is_read_with_its_exact_total(
    tmp_path: Path, content: str, change: str, seconds: float
) -> None:
    mapping = MAPPING.replace(', unit = "hours"', change if "unit" in change else f', unit = "hours"{change}')
    rows, refused = read_text(tmp_path, content, mapping)
    # Two milliseconds are no time.
    assert [row.reason for row in refused] == (["unreadable_duration"] if "milli" in change else [])
    assert total(rows) == seconds


def test_24_00_is_the_end_of_the_day(tmp_path: Path) -> None:
    rows, _ = read_text(tmp_path, TWO.replace("2026-03-02 09:00", "2026-03-02 24:00"))
    assert rows[0].started == datetime(2026, 3, 2, 23, tzinfo=UTC)


@pytest.mark.parametrize(("rounding", "seconds"), [("nearest", 2100), ("up", 2100), ("down", 2099), ("none", None)])
def test_rounding_of_durations_is_chosen_in_the_mapping(tmp_path: Path, rounding: str, seconds: int | None) -> None:
    mapping = MAPPING.replace('unit = "hours"', f'unit = "hours", rounding = "{rounding}"')
    rows, refused = read_text(tmp_path, "Who,Project,Task,Start,Time\nAnn,P,T,2026-03-02 09:00,0.583333\n", mapping)
    assert [row.seconds for row in rows] == ([] if seconds is None else [seconds])
    assert [row.reason for row in refused] == ([] if seconds else ["unreadable_duration"])


@pytest.mark.parametrize(
    ("end", "seconds"),
    [
        ("2026-03-02 11:00", 2 * HOUR),
        ("2026-03-03 01:00", 16 * HOUR),
        ("2026-03-02 01:00", 16 * HOUR),  # the time of day alone, after midnight
        ("2026-03-29 09:00", 27 * 24 * HOUR - HOUR),  # an hour is skipped in between
    ],
)
def test_work_lasts_until_its_end(tmp_path: Path, end: str, seconds: int) -> None:
    mapping = MAPPING.replace('duration = "{Time}"', 'ended = "{End}"')
    rows, refused = read_text(tmp_path, f"Who,Project,Task,Start,End\nAnn,P,T,2026-03-02 09:00,{end}\n", mapping)
    assert refused == []
    assert [row.seconds for row in rows] == [seconds]


def test_running_timer_is_skipped_and_named(tmp_path: Path) -> None:
    mapping = MAPPING.replace('duration = "{Time}"', 'ended = "{End}"')
    _, refused = read_text(tmp_path, "Who,Project,Task,Start,End\nAnn,P,T,2026-03-02 09:00,\n", mapping)
    assert [row.reason for row in refused] == ["running"]


@pytest.mark.parametrize(
    ("duration", "reason"),
    [
        ("-1.5", "negative_duration"),
        ("-1:30", "negative_duration"),
        ("0:00", "no_time"),
        ("1,500", "unreadable_duration"),
        ("1:75", "unreadable_duration"),
        ("1 week", "unreadable_duration"),
    ],
)
def test_wrong_duration_is_refused(tmp_path: Path, duration: str, reason: str) -> None:
    _, refused = read_text(tmp_path, f'Who,Project,Task,Start,Time\nAnn,P,T,2026-03-02 09:00,"{duration}"\n')
    assert [row.reason for row in refused] == [reason]


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "America/New_York"])
def test_day_without_a_time_is_the_day_of_the_contract(tmp_path: Path, zone: str) -> None:
    path = tmp_path / "file.csv"
    path.write_text("Who,Project,Task,Start,Time\nAnn,P,T,2026-03-02,1\n")
    rows, _ = read(path, parse_mapping(MAPPING), {"P": ZoneInfo(zone)})
    assert rows[0].started == datetime(2026, 3, 2, tzinfo=ZoneInfo(zone))


def test_column_whose_name_has_braces_gets_a_short_name(tmp_path: Path) -> None:
    mapping = MAPPING.replace('account_by = ""', 'account_by = ""\ncolumns = { Time = "Time {h}: net" }')
    rows, _ = read_text(tmp_path, TWO.replace("Time", "Time {h}: net"), mapping)
    assert total(rows) == 3.5 * HOUR


def test_column_whose_name_has_a_colon_is_read(tmp_path: Path) -> None:
    rows, _ = read_text(tmp_path, TWO.replace("Time", "Time: net"), MAPPING.replace("{Time}", "{Time: net}"))
    assert total(rows) == 3.5 * HOUR


def test_workbook_is_read(tmp_path: Path) -> None:
    path = tmp_path / "times.xlsx"
    path.write_bytes(
        workbook([["Times of March"], TWO.splitlines()[0].split(","), ["Ann", "P", "T", "2026-03-02", 1.5]])
    )
    rows, refused = read(path, parse_mapping(MAPPING))
    assert (total(rows), refused) == (1.5 * HOUR, [])


@pytest.mark.parametrize("kind", ["xlsx", "ods"])
def test_workbook_has_its_exact_total(tmp_path: Path, kind: str) -> None:
    """Given 35 minutes in hours, which a workbook has with sixteen decimals, and 1:30 on a clock of more than a day,
    then each is read with its exact seconds."""
    rows = [["Times of March"], [*TWO.splitlines()[0].split(","), "Clock"], ["Ann", "P", "T", "2026-03-02", 35 / 60]]
    path = tmp_path / f"times.{kind}"
    path.write_bytes(workbook(rows) if kind == "xlsx" else spreadsheet([*rows, ["Bea", "P", "T", "2026-03-02", 1.5]]))
    taken, refused = read(
        path, parse_mapping(MAPPING.replace('unit = "hours"', 'unit = "hours", rounding = "nearest"'))
    )
    assert (total(taken), refused) == (2100 + (5400 if kind == "ods" else 0), [])


def test_workbook_that_unpacks_to_more_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "times.xlsx"
    path.write_bytes(workbook([["x" * 10_000]] * 200))
    with pytest.raises(FileError, match="unpacked"), open_table(path, max_size=100_000) as table:
        next(table.records)


def test_workbook_with_a_cell_at_the_end_of_the_sheet_is_refused(tmp_path: Path) -> None:
    """Given a file of few bytes that needs 512 GiB as a table, then it is refused: it ended the whole process."""
    path = tmp_path / "times.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        sheet.write_string(0, 0, "first")
        sheet.write_string(1_048_575, 16_383, "last")
    with pytest.raises(FileError, match="far from the others"), open_table(path) as table:
        next(table.records)


def workbook(rows: Sequence[Sequence[str | float]]) -> bytes:
    """A minimal .xlsx file."""
    cells = "".join(
        "<row>"
        + "".join(
            f"<c><v>{cell}</v></c>" if isinstance(cell, float) else f'<c t="inlineStr"><is><t>{cell}</t></is></c>'
            for cell in row
        )
        + "</row>"
        for row in rows
    )
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    file = BytesIO()
    with ZipFile(file, "w", 8) as archive:
        archive.writestr(
            "[Content_Types].xml", '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
        )
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{package}"><Relationship Id="a" Type="{office}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>',
        )
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="S" sheetId="1" r:id="b"/></sheets>'
            "</workbook>",
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{package}"><Relationship Id="b" Type="{office}/worksheet" '
            'Target="worksheets/sheet1.xml"/></Relationships>',
        )
        archive.writestr(
            "xl/worksheets/sheet1.xml", f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>'
        )
    return file.getvalue()


def spreadsheet(rows: Sequence[Sequence[str | float]]) -> bytes:
    """A minimal .ods file."""
    cells = "".join(
        "<table:table-row>"
        + "".join(
            f'<table:table-cell office:value-type="float" office:value="{cell}"/>'
            if isinstance(cell, float)
            else f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p></table:table-cell>'
            for cell in row
        )
        + "</table:table-row>"
        for row in rows
    )
    oasis = "urn:oasis:names:tc:opendocument:xmlns"
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    file = BytesIO()
    with ZipFile(file, "w") as archive:
        archive.writestr("mimetype", kind)
        archive.writestr(
            "content.xml",
            f'<office:document-content xmlns:office="{oasis}:office:1.0" xmlns:table="{oasis}:table:1.0" '
            f'xmlns:text="{oasis}:text:1.0" office:version="1.2"><office:body><office:spreadsheet>'
            f'<table:table table:name="S">{cells}</table:table></office:spreadsheet></office:body>'
            "</office:document-content>",
        )
        archive.writestr(
            "META-INF/manifest.xml",
            f'<manifest:manifest xmlns:manifest="{oasis}:manifest:1.0"><manifest:file-entry '
            f'manifest:full-path="/" manifest:media-type="{kind}"/></manifest:manifest>',
        )
    return file.getvalue()


# Identity and names


def test_notes_do_not_change_the_identity_of_a_row(tmp_path: Path) -> None:
    mapping = MAPPING.replace('unit = "hours"', 'unit = "hours", description = "{Notes}"')
    ids = [
        [row.worklog for row in identify_rows(read_text(tmp_path, content, mapping)[0])]
        for notes in ("a", "b")
        for content in [
            TWO.replace("Time\n", "Time,Notes\n").replace("1.5\n", f"1.5,{notes}\n").replace(",2\n", ",2,z\n")
        ]
    ]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2


@pytest.mark.parametrize("start", ["2026-03-02 23:30", "2026-03-02T23:30:00Z", "2026-03-02", "1772494200"])
@pytest.mark.parametrize("timezone", ["", 'timezone = "Europe/Berlin"'])
def test_zone_does_not_change_the_identity_of_a_row(tmp_path: Path, start: str, timezone: str) -> None:
    """Given a file that was imported before its contract, in another zone, existed, or with another zone,
    when it is imported again, then each row is the same worklog: it would count twice otherwise."""
    path = tmp_path / "file.csv"
    path.write_text(TWO.replace("2026-03-02 09:00", start))
    mapping = parse_mapping(MAPPING.replace('timezone = "Europe/Berlin"', timezone))
    ids = [
        [row.worklog for row in identify_rows(read(path, mapping, zones)[0])]
        for zones in ({}, {"P": ZoneInfo("Pacific/Kiritimati")}, {"P": ZoneInfo("America/New_York")})
    ]
    other = parse_mapping(MAPPING.replace("Europe/Berlin", "Asia/Tokyo"))
    ids.append([row.worklog for row in identify_rows(read(path, other)[0])])
    assert ids == [ids[0]] * 4


def test_corrected_file_replaces_the_rows_of_its_days(tmp_path: Path) -> None:
    earlier, _ = read_text(tmp_path, TWO + "Ann,P,T,2026-04-01 09:00,1\n")
    sent = {f"worklog/{row.worklog}": Checkpoint(f"worklog/{row.worklog}", b"x", "") for row in identify_rows(earlier)}
    corrected, _ = read_text(tmp_path, TWO.replace("1.5", "1.25"))
    # The row of 1.5 hours is replaced; the row of April is outside the days of the file
    [missing] = find_missing(identify_rows(corrected), sent)
    assert missing == identify_rows(earlier)[0].worklog
    # What was deleted is not deleted again
    sent[f"worklog/{missing}"] = Checkpoint(f"worklog/{missing}", DELETED, "")
    assert find_missing(identify_rows(corrected), sent) == []


@pytest.mark.parametrize("spelling", ["ann", "Ann ", "A nn"])
def test_names_that_are_nearly_equal_are_asked_about(tmp_path: Path, spelling: str) -> None:
    rows, _ = read_text(tmp_path, TWO.replace("Bea", f'"{spelling}"'))
    with pytest.raises(MappingError, match="differ in blanks or case alone"):
        check_names(rows, {}, one_customer=True)
    check_names(rows, {"Ann": "Ann", spelling: spelling}, one_customer=True)


def test_names_that_mean_the_same_are_merged(tmp_path: Path) -> None:
    """Given a person and an account in two spellings, when [same] says that the first means the second,
    then the import asks no more, and the rows have one name."""
    mapping = MAPPING.replace('account_by = ""', 'account_by = "{Kind}"\nsame = { "ann " = "Ann", "DEV" = "Dev" }')
    text = TWO.replace("Bea", "ann ").replace("Time\n", "Time,Kind\n").replace("1.5\n", "1.5,DEV\n")
    rows, _ = read_text(tmp_path, text.replace(",2\n", ",2,Dev\n"), mapping)
    assert {(row.author, row.account) for row in rows} == {("Ann", "Dev")}
    check_names(rows, {}, one_customer=True)


def test_contract_of_two_customers_is_asked_about(tmp_path: Path) -> None:
    mapping = MAPPING + 'organization = { name = "{Who}" }\n'
    rows, _ = read_text(tmp_path, TWO, mapping)
    with pytest.raises(MappingError, match="The contract 'P' has work of 'Ann' and 'Bea'"):
        check_names(rows, {}, one_customer=True)
    check_names(rows, {}, one_customer=False)
