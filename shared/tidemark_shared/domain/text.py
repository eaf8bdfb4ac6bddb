"""Pure: text from outside, made safe to store and to show."""

import re
import unicodedata

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# Control characters, marks that change the direction of the text around them, and halves of characters. Joiners stay:
# some scripts and emoji need them.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")


# OWASP: a cell that begins with one of these can be a formula.
_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


# Control and format characters (among them escape sequences and changes of the writing direction), lone surrogates,
# and separators of lines. The joiners are part of words and emoji.
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_SAFE_CHARACTERS = frozenset("\n\u200c\u200d")


_COUNT = re.compile(r"\d{1,18}", re.ASCII)


def read_count(text: str) -> int | None:
    """A number of up to 18 digits; None for any other text. ``int`` fails for a text of 5,000 digits."""
    return int(text) if _COUNT.fullmatch(text) else None


def to_safe_line(text: str) -> str:
    """``text`` on one line, without characters that a reader or Postgres could take for anything but text."""
    return _UNSAFE.sub(_REPLACEMENT, " ".join(text.split()))


def escape_formula(text: str) -> str:
    """``text`` as a cell of CSV. An apostrophe before it keeps a spreadsheet from reading it as a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def has_invisible(text: str) -> bool:
    """Whether ``text`` has a control or format character, joiners included, or a separator of lines."""
    return any(unicodedata.category(character) in _INVISIBLE_CATEGORIES for character in text)


def escape_invisible(text: str) -> str:
    """Show characters that could change a terminal or the text around them as escapes: a backslash and ``x1b``."""
    return "".join(
        ascii(character)[1:-1]
        if unicodedata.category(character) in _INVISIBLE_CATEGORIES and character not in _SAFE_CHARACTERS
        else character
        for character in text
    )
