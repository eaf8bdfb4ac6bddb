"""Pure: text from outside, made safe to store and to show."""

import re

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# Control characters, marks that change the direction of the text around them, and halves of characters. Joiners stay:
# some scripts and emoji need them.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")


# OWASP: a cell that begins with one of these can be a formula.
_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


def to_safe_line(text: str) -> str:
    """``text`` on one line, without characters that a reader or Postgres could take for anything but text."""
    return _UNSAFE.sub(_REPLACEMENT, " ".join(text.split()))


def escape_formula(text: str) -> str:
    """``text`` as a cell of CSV. An apostrophe before it keeps a spreadsheet from reading it as a formula."""
    return f"'{text}" if _FORMULA.match(text) else text
