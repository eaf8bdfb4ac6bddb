"""The words and formats of a locale: texts from catalogues, the rest from the Unicode CLDR.

The texts in the code are English and the keys of the catalogues: ``gettext("%(days)s left", days=…)``. A package with
texts has its catalogues in ``locales``; those of the texts below are here.
"""

import gettext
import re
from calendar import monthrange
from collections.abc import Sequence
from copy import copy
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from io import BytesIO

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, parse_pattern

from tidemark_shared.domain.bodies import minor_digits
from tidemark_shared.domain.locales import LOCALES

# English of no region: 15 March 2026, 1,234.50 EUR.
_ENGLISH_FORMATS = "en-001"
_ENGLISH_MONEY = parse_pattern("#,##0.00 ¤¤")
_HUNDREDTH_OF_AN_HOUR = 36
_SPECIAL_SPACES = re.compile("[\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}]")


def N_(message: str) -> str:  # noqa: N802 - gettext's name, which puts a text into the catalogues
    """A text that is translated where it is used."""
    return message


class Language:
    """A locale of :data:`~tidemark_shared.domain.locales.LOCALES`, with the texts of a package."""

    def __init__(self, tag: str, package: str) -> None:
        self.tag = tag
        self._locale = Locale.parse(_ENGLISH_FORMATS if tag == "en" else tag, sep="-")
        self.translations = _load_translations(package, self._locale.language)
        self.translations.add_fallback(_load_translations("tidemark_shared", self._locale.language))
        self._has_decimal_hours = self._locale.language == "de"

    def gettext(self, message: str, **values: object) -> str:
        """The text with its values."""
        return self.translations.gettext(message) % values

    def ngettext(self, singular: str, plural: str, count: int, **values: object) -> str:
        """The text in the form for ``count``, which is one of its values."""
        return self.translations.ngettext(singular, plural, count) % {"count": self.format_number(count), **values}

    def format_number(self, number: Decimal | int) -> str:
        """``1,234.5``, ``1.234,5``."""
        return format_decimal(number, locale=self._locale, decimal_quantization=False)

    def format_percent(self, percent: str) -> str:
        """``87.5 %``, ``87,5 %``."""
        return f"{self.format_number(Decimal(percent))} %"

    def format_quantity(self, value: int, currency: str | None) -> str:
        """Seconds or, with a currency, minor units. Exact: nothing is rounded."""
        return self._format_money(value, currency) if currency else self._format_seconds(value)

    def _format_money(self, minor: int, currency: str) -> str:
        digits = minor_digits(currency) or 0
        pattern = copy(_ENGLISH_MONEY if self.tag == "en" else self._locale.currency_formats["standard"])
        pattern.frac_prec = digits, digits  # for some currencies, the CLDR has fewer
        amount = Decimal(minor).scaleb(-digits)
        text = pattern.apply(amount, self._locale, currency=currency, currency_digits=False)
        return _SPECIAL_SPACES.sub(" ", text)

    def _format_seconds(self, seconds: int) -> str:
        """``32 h 30 min``. Where hours are customarily decimal, ``32,5 Std.``, unless that would have to be rounded."""
        sign, (minutes, rest) = "-" if seconds < 0 else "", divmod(abs(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        if self._has_decimal_hours and hours and seconds % _HUNDREDTH_OF_AN_HOUR == 0:
            return self.gettext("%(number)s h", number=self.format_number(Decimal(seconds) / 3600))
        parts = []
        if hours or not seconds:
            parts.append(self.gettext("%(number)s h", number=self.format_number(hours)))
        if minutes:
            parts.append(self.gettext("%(number)s min", number=minutes))
        if rest:
            parts.append(self.gettext("%(number)s s", number=rest))
        return sign + " ".join(parts)

    def format_days(self, count: int) -> str:
        """``1 day``, ``30 days``."""
        return self.ngettext("%(count)s day", "%(count)s days", count)

    def format_day(self, day: date) -> str:
        """``15 March 2026``."""
        return format_date(day, "long", self._locale)

    def format_moment(self, moment: datetime, zone: str) -> str:
        """``15 March 2026, 10:30 (Europe/Berlin)``; ``moment`` is in that zone."""
        time = format_time(moment, "HH:mm", locale=self._locale)
        return self.gettext("%(day)s, %(time)s (%(zone)s)", day=self.format_day(moment.date()), time=time, zone=zone)

    def format_short_day(self, day: date) -> str:
        """``15 Mar``."""
        return format_skeleton("MMMd", day, locale=self._locale)

    def format_short_month(self, day: date) -> str:
        """``Mar``, and ``Jan 2027`` where a year begins."""
        return format_skeleton("yMMM" if day.month == 1 else "MMM", day, locale=self._locale)

    def format_period(self, start: date, end: date) -> str:
        """The month, if it is a whole one; otherwise both days."""
        if _is_month(start, end):
            return self._format_month(start)
        return self.gettext("%(start)s to %(end)s", start=self._format_start(start, end), end=self.format_day(end))

    def format_within_period(self, start: date, end: date) -> str:
        """``in March 2026``, or ``from 1 January to 31 December 2026``."""
        if _is_month(start, end):
            return self.gettext("in %(month)s", month=self._format_month(start))
        return self.gettext("from %(start)s to %(end)s", start=self._format_start(start, end), end=self.format_day(end))

    def _format_month(self, day: date) -> str:
        return format_skeleton("yMMMM", day, locale=self._locale)

    def _format_start(self, start: date, end: date) -> str:
        is_same_year = start.year == end.year
        return format_skeleton("MMMMd", start, locale=self._locale) if is_same_year else self.format_day(start)

    def join(self, words: Sequence[str]) -> str:
        """``A``, ``A and B``, ``A, B and C``."""
        return format_list(words, locale=self._locale)


@cache
def load_language(tag: str, package: str) -> Language:
    """The language of a locale, with the texts of a package. Raises ``ValueError`` for one that is not supported."""
    if tag not in LOCALES:
        raise ValueError(f"{tag!r} is not a supported locale. Use one of {', '.join(LOCALES)}.")
    return Language(tag, package)


def _load_translations(package: str, language: str) -> gettext.NullTranslations:
    """The catalogue as it is in the repository. Compiling it takes less time than keeping a compiled copy in step."""
    path = files(package) / "locales" / language / "LC_MESSAGES" / "messages.po"
    if not path.is_file():
        return gettext.NullTranslations()
    compiled = BytesIO()
    with path.open("rb") as catalogue:
        write_mo(compiled, read_po(catalogue, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def _is_month(start: date, end: date) -> bool:
    return (start, end) == (start.replace(day=1), start.replace(day=monthrange(start.year, start.month)[1]))
