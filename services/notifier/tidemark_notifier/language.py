"""The languages of the notifier's own texts, whose catalogues are in ``locales``."""

from functools import partial

from tidemark_shared.language import N_, Language, load_language

__all__ = ["ENGLISH", "N_", "Language", "get_language"]

get_language = partial(load_language, package="tidemark_notifier")
ENGLISH = get_language("en")
"""The language of the API."""
