"""Languages: complete catalogues, and figures, days and money as each locale writes them."""

import ast
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from tidemark_notifier.language import ENGLISH, Language, get_language
from tidemark_shared.domain.locales import LOCALES

ROOT = Path(__file__).parents[3]
PACKAGES = ("shared/tidemark_shared", "services/notifier/tidemark_notifier", "services/web/tidemark_web")
METHODS = [("**.py", "python"), ("**/templates/**", "jinja2")]
KEYWORDS = {"_": None, "gettext": None, "N_": None, "ngettext": (1, 2)}
GERMAN = get_language("de")


def extract_texts(package: str) -> Catalog:
    """The texts of a package, as `make messages` extracts them."""
    catalog = Catalog()
    for _, _, message, _, context in extract_from_dir(str(ROOT / package), METHODS, keywords=KEYWORDS):
        catalog.add(message, context=context)
    return catalog


@pytest.mark.parametrize("language", sorted({tag.partition("-")[0] for tag in LOCALES} - {"en"}))
@pytest.mark.parametrize("package", PACKAGES)
def test_catalogue_is_complete(package, language):
    with (ROOT / package / "locales" / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        catalog = read_po(file, locale=language)
    texts = extract_texts(package)
    assert {message.id for message in catalog} == {message.id for message in texts}
    assert not catalog.obsolete
    for message in catalog:
        if message.id:
            forms = message.string if isinstance(message.string, tuple) else (message.string,)
            assert all(forms), message.id
            assert len(forms) == (catalog.num_plurals if message.pluralizable else 1)
            assert not message.fuzzy, message.id
            assert not list(message.check(catalog)), message.id


def test_every_text_is_where_the_extraction_sees_it():
    """Calls within an f-string are not extracted from Python before 3.12."""
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                for call in ast.walk(node):
                    if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Constant):
                        name = ast.unparse(call.func).rpartition(".")[2]
                        assert name not in KEYWORDS, f"{path}:{call.lineno}"


@pytest.mark.parametrize(
    ("locale", "seconds", "shown"),
    [
        ("en", 149_400, "41 h 30 min"), ("en", 0, "0 h"), ("en", -1200, "-20 min"), ("en", 4_442_401, "1,234 h 1 s"),
        ("de", 149_400, "41,5 Std."), ("de", 144_000, "40 Std."), ("de", 0, "0 Std."), ("de", 1800, "30 Min."),
        ("de", 73_200, "20 Std. 20 Min."), ("de", -9000, "-2,5 Std."), ("de", 1, "1 Sek."),
        ("de", 4_442_400, "1.234 Std."), ("de-CH", 149_400, "41.5 Std."),
    ],
)  # fmt: skip
def test_hours(locale, seconds, shown):
    assert get_language(locale).format_quantity(seconds, None) == shown


@pytest.mark.parametrize(
    ("locale", "minor", "currency", "shown"),
    [
        ("en", 123_450, "EUR", "1,234.50 EUR"), ("en", -5, "JPY", "-5 JPY"), ("en", 5, "IQD", "0.005 IQD"),
        ("en-GB", 123_450, "EUR", "€1,234.50"), ("en-US", 123_450, "USD", "$1,234.50"),
        ("de", 123_450, "EUR", "1.234,50 €"), ("de", -123_450, "EUR", "-1.234,50 €"), ("de", 500, "JPY", "500 ¥"),
        ("de-AT", 123_450, "EUR", "€ 1.234,50"), ("de-CH", 123_450, "CHF", "CHF 1\u2019234.50"),
    ],
)  # fmt: skip
def test_money(locale, minor, currency, shown):
    assert get_language(locale).format_quantity(minor, currency) == shown


@given(st.integers(0, 10**15), st.sampled_from(["EUR", "JPY", "KWD", "IQD", "CLF"]), st.sampled_from(LOCALES))
def test_no_digit_of_an_amount_is_lost(minor, currency, locale):
    text = get_language(locale).format_quantity(minor, currency)
    assert int("".join(filter(str.isdigit, text))) == minor


@given(st.integers(0, 10**9), st.sampled_from(LOCALES))
def test_no_second_is_lost(seconds, locale):
    language = get_language(locale)
    units = {"h": 3600, "Std.": 3600, "min": 60, "Min.": 60, "s": 1, "Sek.": 1}
    words = language.format_quantity(seconds, None).split(" ")
    decimal = "." if locale == "de-CH" or locale.startswith("en") else ","
    groups = {"en": ",", "de": ".", "de-CH": "\u2019"}.get(locale, "." if locale.startswith("de") else ",")
    total = sum(
        Decimal(number.replace(groups, "").replace(decimal, ".")) * units[unit]
        for number, unit in zip(words[::2], words[1::2], strict=True)
    )
    assert total == seconds


@pytest.mark.parametrize(
    ("locale", "day", "month", "year", "moment"),
    [
        ("en", "6 November 2026", "March 2026", "1 January to 31 December 2026", "6 November 2026, 09:05 (UTC)"),
        ("en-US", "November 6, 2026", "March 2026", "January 1 to December 31, 2026", "November 6, 2026, 09:05 (UTC)"),
        ("de", "6. November 2026", "März 2026", "1. Januar bis 31. Dezember 2026", "6. November 2026, 09:05 Uhr (UTC)"),
    ],
)  # fmt: skip
def test_days_and_periods(locale, day, month, year, moment):
    language = get_language(locale)
    assert language.format_day(date(2026, 11, 6)) == day
    assert language.format_period(date(2026, 3, 1), date(2026, 3, 31)) == month
    assert language.format_period(date(2026, 1, 1), date(2026, 12, 31)) == year
    assert language.format_moment(datetime(2026, 11, 6, 9, 5, tzinfo=UTC), "UTC") == moment


def test_region_has_its_own_names_of_months():
    assert get_language("de-AT").format_day(date(2026, 1, 6)) == "6. Jänner 2026"


def test_plural_forms_and_lists():
    assert [GERMAN.format_days(count) for count in (0, 1, 2)] == ["0 Tage", "1 Tag", "2 Tage"]
    assert [ENGLISH.format_days(count) for count in (0, 1, 1000)] == ["0 days", "1 day", "1,000 days"]
    assert [GERMAN.join(words) for words in (["A"], ["A", "B"], ["A", "B", "C"])] == ["A", "A und B", "A, B und C"]


def test_unknown_locale_is_refused_with_those_that_are_supported():
    with pytest.raises(ValueError, match="Use one of en, en-GB"):
        get_language("fr")


def test_percent_sign_of_a_value_is_text():
    assert isinstance(GERMAN, Language)
    assert GERMAN.gettext("%(account)s (not billable)", account="100 %(x)s") == "100 %(x)s (nicht abrechenbar)"
