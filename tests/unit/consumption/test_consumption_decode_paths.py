"""The fast path decodes exactly what the slow path decodes, and any input gives a row or a reason."""

import json
from datetime import datetime
from typing import Any

import pytest
from effort import repeat
from hypothesis import event, given, settings
from hypothesis import strategies as st
from worklog_records import (
    DELETION,
    LINK,
    RECEIVED_MS,
    VALID,
    WORKLOG,
    record,
    slow_verdict,
    usual_headers,
    verdict,
)

from tidemark_consumption.ingest.decode import decode_record, fast_line
from tidemark_consumption.ingest.fact_rows import copy_line, copy_text
from tidemark_shared.messaging.cloudevents import DecodeError
from tidemark_shared.messaging.events import EVENT_TYPES, ISSUE_LINKED, WORKLOG_DELETED
from tidemark_shared.messaging.topics import WORKLOGS
from tidemark_shared.messaging.upcasts import UPCASTERS

# The fast path: it takes what is usual, and nothing that the slow path does not take just so.


FAST = [
    record({**WORKLOG, "team_id": None, "description": 'two\nlines, "quoted", C:\\, \u00e9 \U0001f600'}),
    record({**WORKLOG, "started_at": "2026-03-02T09:00:00.123456789-03:30", "seconds": 1}),
    record({**WORKLOG, "issue_id": "\u00e9" * 63, "seconds": 3_600_000}),
    record({name: value for name, value in WORKLOG.items() if name not in {"team_id", "description"}}),
    record({**LINK, "contract_id": None, "account_id": None, "created_at": None}, ISSUE_LINKED),
    record({"issue_id": "10001", "updated_at": "2026-03-01T08:00:01Z"}, ISSUE_LINKED),
    record(
        DELETION,
        WORKLOG_DELETED,
        headers=[*usual_headers(WORKLOG_DELETED), ("ce_correlationid", b"c"), ("traceparent", b"00")],
    ),
    record(DELETION, WORKLOG_DELETED, headers=reversed(usual_headers(WORKLOG_DELETED))),
]


@pytest.mark.parametrize("record", FAST)
def test_fast_path_decodes_usual_records(record: Any) -> None:
    assert fast_line(record) == copy_line(decode_record(record))


def test_newest_event_versions_have_no_upcast() -> None:
    assert not UPCASTERS.keys() & EVENT_TYPES[WORKLOGS].keys()


def mostly(usual: Any, *unusual: Any) -> st.SearchStrategy[Any]:
    return st.integers(0, 15).flatmap(lambda number: st.sampled_from(unusual) if number == 0 else st.just(usual))


DATES = (
    "1970-01-01", "1969-12-31", "2100-12-31", "2101-01-01", "0000-01-01", "0001-01-01", "9999-12-31", "10000-01-01",
    "2026-02-29", "2024-02-29", "2026-13-01", "2026-00-10", "2026-W10-1", "2026-061", "20260302", "26-03-02",
    "\uff12026-03-02", "-2026-03-02", " 2026-03-02", "2026-3-2", "2026-03-",
)  # fmt: skip
SEPARATORS = ("t", " ", "_", "", "\ud83d", "é")
CLOCKS = ("24:00:00", "23:59:60", "23:59:59", "00:00:00", "09:00", "09", "9:00:00", "090000", "09:60:00", "09:00:0", "")
FRACTIONS = (".", ".0", ".5", ",5", ".123456", ".999999999", ".1234567891", ".1_0", ".-1", ".\uff11")
OFFSETS = (
    "", "z", "+00:00", "-00:00", "+01:00", "+0100", "+01", "-23:59", "+23:59", "+24:00", "+25:00", "+01:60", "+05:45",
    "+14:00", "+01:00:30", "+01:00:00", "+1:00", "\N{MINUS SIGN}01:00", " Z", "Z ", "Z\n", "UTC", "[Europe/Berlin]",
)  # fmt: skip
composed_times = st.tuples(
    mostly("2026-03-02", *DATES),
    mostly("T", *SEPARATORS),
    mostly("09:00:00", *CLOCKS),
    mostly("", *FRACTIONS),
    mostly("Z", *OFFSETS),
).map("".join)
drawn_times = st.builds(
    lambda moment, digits, offset: f"{moment:%Y-%m-%dT%H:%M:%S}{digits and '.'}{digits}{offset}",
    st.datetimes(datetime(1970, 1, 1), datetime(2026, 5, 29, 12)),  # noqa: DTZ001 - the offset is drawn beside it
    st.text("0123456789", max_size=10),
    st.builds("{}{:02}:{:02}".format, st.sampled_from("+-"), st.integers(0, 24), st.integers(0, 60)) | st.just("Z"),
)
times = (composed_times | drawn_times).map(json.dumps).map(str.encode)

NUMBERS = (
    b"1", b"0", b"-0", b"-1", b"1.0", b"1.5", b"1e2", b"1E2", b"1e400", b"01", b"1.", b"+1", b".5", b"0x10", b"1_0",
    b"3600000", b"3600001", b"9223372036854775808", b"1" * 400, b"1" * 5_000, b"NaN", b"Infinity", b"-Infinity",
    b'"7"', b"true",
)  # fmt: skip
STRINGS = (
    b'""', b'" "', b'"\\u0000"', b'"\\\\u0000"', b'"\\ud800"', b'"\\ud83d\\ude00"', b'"\\udc00\\ud800"', b'"\xff"',
    b'"\xed\xa0\x80"', b'"\xc3("', b'"\xf4\x90\x80\x80"', b'"\xc0\x80"', b'"\x01"', b'"\x00"', b'"\x7f"', b'"\t"',
    b'"\n"',
    b'"\\x41"', b'"\\/\\b\\f\\n\\r\\t\\"\\\\"', b'"\\u001F\\u007f\\u0080\\u2028"', b'"\\u00e"', b'"\\N"', b'"\\\\N"',
    b'"\\\\."', b'"',
    b"'a'", b"a",
    *(f'"{character * count}"'.encode() for character in "aé\u20ac😀" for count in (63, 64, 85, 127, 255, 256)),
)  # fmt: skip
OTHERS = (
    b"null", b"true", b"[]", b"{}", b'[1,{"a":[null]}]', b'{"a":1,"a":2}', b"[" * 300 + b"]" * 300, b"[1,]", b"{a:1}",
    b"", b"nul", b"nullx", b"/**/1", b"\x00", b"1 2",
)  # fmt: skip
anything = st.one_of(
    st.sampled_from(STRINGS),
    st.sampled_from(NUMBERS),
    st.sampled_from(OTHERS),
    times,
    st.text().map(json.dumps).map(str.encode),
    st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: json.dumps(text, ensure_ascii=False).encode()),
)
names = st.sampled_from(
    [*sorted({*WORKLOG, *DELETION, *LINK, "issue_key", "summary"}), "ISSUE_ID", "", "billable", "id", "issue\0id"]
).map(json.dumps).map(str.encode) | st.sampled_from(
    [b'"\\u0069ssue_id"', b'"\\u0073econds"', b'"\xff"', b'"\\ud800"', b"issue_id", b"1"]
)  # fmt: skip
space = mostly(b"", b" ", b"\t\r\n", b"\xef\xbb\xbf", b"\x00", b"\x0c", b"\xa0", b"x", b"{}", b",", b"]", b"#")


@st.composite
def values(draw: Any, type_: str) -> bytes:
    """JSON of an event, with some of it replaced, repeated, left out or spoilt."""
    members = [(json.dumps(name).encode(), json.dumps(value).encode()) for name, value in VALID[type_][0].items()]
    for index, (name, _) in enumerate(members):
        if name.endswith(b'_at"') and draw(st.booleans()):
            members[index] = (name, draw(times))
    for _ in range(draw(mostly(0, 1, 2, 3)) if draw(st.booleans()) else 0):
        members.insert(draw(st.integers(0, len(members))), (draw(names), draw(anything)))
    if draw(mostly(False, True)):  # noqa: FBT003 - a value like any other
        members.pop(draw(st.integers(0, len(members) - 1)))
    if draw(st.booleans()):
        index = draw(st.integers(0, len(members) - 1))
        members[index] = (members[index][0], draw(anything))
    text = b"{" + b",".join(name + draw(space) + b":" + value for name, value in members) + b"}"
    return draw(space) + text + draw(space)


HEADER_VALUES = (
    None, b"", b"1.0", b"1.1", b"\xff", b"\0", b"a\tb\\c\nd", "é".encode(), b"a" * 1024, b"a" * 1025,
    b"application/json",
    b"Application/JSON", b"application/json; charset=utf-8", b"application/cloudevents+json", b"text/plain",
    *(type_.encode() for type_ in VALID), b"tidemark.worklog.recorded.v2",
)  # fmt: skip
header_values = st.sampled_from(HEADER_VALUES) | st.binary(max_size=5)


@st.composite
def headers_drawn(draw: Any, type_: str) -> list[tuple[str, bytes | None]]:
    headers = usual_headers(type_)
    for _ in range(draw(mostly(0, 1, 2))):
        index = draw(st.integers(0, len(headers) - 1))
        match draw(st.sampled_from(["drop", "repeat", "rename", "replace", "add", "shuffle"])):
            case "drop":
                headers.pop(index)
            case "repeat":
                headers.append((headers[index][0].upper() if draw(st.booleans()) else headers[index][0], b"1.0"))
            case "rename":
                headers[index] = (headers[index][0].title(), headers[index][1])
            case "replace":
                headers[index] = (headers[index][0], draw(header_values))
            case "add":
                headers.append((draw(st.sampled_from(["x", "X", "", "ce_data", "\0"])), draw(header_values)))
            case "shuffle":
                headers = draw(st.permutations(headers))
    return headers


near_limit = st.builds(
    lambda time, ms: int(datetime.fromisoformat(time).timestamp() * 1000) + ms,
    st.sampled_from(["2026-03-01T16:05:11.123Z", "2026-03-02T08:00:00Z", "2026-02-28T08:00:01Z"]),
    st.integers(-2, 2) | st.integers(-7_200_000, 7_200_000),
)
timestamps = st.one_of(
    st.just(RECEIVED_MS), st.just(RECEIVED_MS), near_limit, st.sampled_from([-1, 0, 253_402_300_799_999, 10**15]),
    st.integers(-(2**63), 2**63 - 1),
)  # fmt: skip
types = st.sampled_from(sorted(VALID))
records = types.flatmap(
    lambda type_: st.builds(
        lambda value, headers, timestamp: record(value, headers=headers, timestamp=timestamp),
        values(type_),
        headers_drawn(type_),
        timestamps,
    )
)


@pytest.mark.parametrize("type_", VALID)
def test_both_paths_agree_on_unusual_member_values(type_: str) -> None:
    members = {name: json.dumps(value).encode() for name, value in VALID[type_][0].items()}
    odd_times = [
        *(f"{date}T09:00:00Z" for date in DATES),
        *(f"{date}T00:00:00+05:45" for date in DATES),
        *(f"2026-03-02{separator}09:00:00Z" for separator in SEPARATORS),
        *(f"2026-03-02T{clock}{offset}" for clock in CLOCKS for offset in OFFSETS),
        *(f"2026-03-02T09:00:00{fraction}{offset}" for fraction in FRACTIONS for offset in OFFSETS),
    ]
    fragments = [*STRINGS, *NUMBERS, *OTHERS, *(json.dumps(time).encode() for time in odd_times)]
    for name in [*members, "issue_key", "summary", "billable"]:
        for fragment in fragments:
            changed = {**members, name: fragment}
            value = b"{" + b",".join(json.dumps(name).encode() + b":" + text for name, text in changed.items()) + b"}"
            assert verdict(record(value, type_)) == slow_verdict(record(value, type_)), (name, fragment)


@pytest.mark.parametrize("type_", VALID)
def test_both_paths_agree_on_unusual_headers(type_: str) -> None:
    value, usual = VALID[type_][0], usual_headers(type_)
    for index, (name, _) in enumerate(usual):
        for raw in HEADER_VALUES:
            for headers in (
                [*usual[:index], (name, raw), *usual[index + 1 :]],
                [*usual, (name, raw)],
                [*usual, (name.upper(), raw)],
                [(name.upper(), raw), *usual],
                [*usual, ("x", raw)],
                [*usual[:index], *usual[index + 1 :], ("x", raw)],
            ):
                changed = record(value, type_, headers=headers)
                assert verdict(changed) == slow_verdict(changed), headers


@settings(max_examples=repeat(300, long=1_000), deadline=None)
@given(records)
def test_both_paths_agree(record: Any) -> None:
    """The line holds the digest of the canonical content, so that is the same too."""
    expected = slow_verdict(record)
    assert verdict(record) == expected
    assert verdict(record) == expected, "also from what was cached"
    event("accepted" if expected.startswith("7\t") else "refused")


# Whatever comes.


def assert_row_or_reason(record: Any) -> None:
    """The row can be written, or the reason be shown: both hold nothing that Postgres or a person cannot take."""
    decoded = verdict(record)
    assert decoded == slow_verdict(record)
    try:
        row = decode_record(record)
    except DecodeError:
        assert decoded.encode()
        assert len(decoded) < 2_000
        return
    texts = [value for value in row if isinstance(value, str)]
    assert all("\0" not in text and text.encode() is not None for text in texts)
    assert row.seconds is None or 1 <= row.seconds <= 3_600_000
    ids = [row.issue_id, row.worklog_id, row.author_id, row.contract_ref, row.account_ref]
    assert all(id_ is None or 1 <= len(id_.encode()) <= 255 for id_ in ids)
    assert copy_text(1, [decoded]).count(b"\n") == 1


any_headers = st.lists(
    st.tuples(
        st.sampled_from(["ce_specversion", "ce_type", "ce_id", "ce_source", "content-type", "CE_ID"]) | st.text(),
        st.none()
        | st.binary(max_size=20)
        | st.sampled_from([b"1.0", b"/s", *(type_.encode() for type_ in VALID), b"application/cloudevents+json"]),
    ),
    max_size=8,
)


@settings(max_examples=200)
@given(any_headers, st.none() | st.binary(max_size=200), timestamps)
def test_any_bytes_give_row_or_reason(headers: Any, value: bytes | None, timestamp: int) -> None:
    assert_row_or_reason(record(value, headers=headers, timestamp=timestamp))


any_text = st.text() | st.sampled_from(["\0", "\ud800", "a" * 256, "2026-03-02T09:00:00Z", "1772438400", "ACME-SUP"])
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text | st.sampled_from([10**400, -(10**400)]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(VALID)), st.data(), timestamps)
def test_any_member_values_give_row_or_reason(type_: str, data: st.DataObject, timestamp: int) -> None:
    members = {**VALID[type_][0]}
    for name in data.draw(st.lists(st.sampled_from(sorted(members)) | any_text, max_size=2)):
        if data.draw(st.booleans()):
            members[name] = data.draw(any_json)
        else:
            members.pop(name, None)
    attributes: dict[str, Any] = {"specversion": "1.0", "id": "1", "source": "/jira", "type": type_}
    for name in data.draw(st.lists(st.sampled_from(sorted(attributes)), max_size=1)):
        attributes[name] = data.draw(any_json)
    assert_row_or_reason(record(members, type_, timestamp=timestamp))
    assert_row_or_reason(record({**attributes, "data": members}, headers=[], timestamp=timestamp))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(VALID)), st.data())
def test_any_changed_bytes_give_row_or_reason(type_: str, data: st.DataObject) -> None:
    whole = json.dumps(VALID[type_][0]).encode()
    begin = data.draw(st.integers(0, len(whole)))
    length = data.draw(st.integers(0, 5))
    assert_row_or_reason(record(whole[:begin] + data.draw(st.binary(max_size=5)) + whole[begin + length :], type_))
