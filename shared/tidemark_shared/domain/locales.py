"""Pure: the locales that mails are written in."""

from typing import Literal, get_args

Locale = Literal["en", "en-GB", "en-US", "de", "de-AT", "de-CH"]
"""Languages, and regions whose formats differ (BCP 47). ``en`` is English of no region: 15 March 2026, 1,234.50 EUR."""

LOCALES: tuple[str, ...] = get_args(Locale)
