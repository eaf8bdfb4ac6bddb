"""Texts that no reader expects, as they stand in an address."""

import base64
import json
from urllib.parse import quote

from api_operations import UNKNOWN_ID


def cursor(*parts):
    return quote(base64.urlsafe_b64encode(json.dumps(parts).encode()))


TEXTS = [
    "", "%00", "a%00b", "%ED%A0%80", "%FF", "%F0%9F%98%80", "-1", "0", "1", "2147483648", "9223372036854775808",
    "9" * 5_000, "1e400", "NaN", "true", "null", "%7B%7D", "0001-01-01", "9999-12-31", "2026-03-01",
    "0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00", "2026-03-01T00:00:00Z", "1700000000",
    "2000-02-30T25:61:61Z",
    ".", "..", "%2e%2e", "%2F", "a%2F..%2F..%2Freadyz", "'%20OR%201=1--", "%25%27%5C", "%E2%80%AE", UNKNOWN_ID,
    "x" * 100_000, cursor("a"), cursor("a", "b"), cursor("", UNKNOWN_ID), cursor("\0", UNKNOWN_ID),
    cursor("\ud800", UNKNOWN_ID), cursor("0001-01-01T00:00:00+14:00", "s", "1"),
    cursor("9999-12-31T23:59:59-14:00", "s", "1"), cursor("2026-03-01T00:00:00Z", "\0", "\ud800"), "W10%3D", "%5B",
]  # fmt: skip
