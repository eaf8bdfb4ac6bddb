"""Templates such as ``PROJECT-{project_key}``, which name columns, and patterns that match texts. Pure."""

import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import chain, zip_longest
from operator import itemgetter
from typing import Annotated, NamedTuple

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

CACHE_SIZE = 10_000
"""The number of results of templates and patterns that are cached: the texts in a file repeat."""

# A column can have any name without braces and bars, so a colon is no format. {Task|none}: "none" if it has no value.
_PART = re.compile(r"\{\{|\}\}|\{([^{}|]+)(?:\|([^{}]*))?\}")

Matcher = Callable[[str], str | None]


class _Part(NamedTuple):
    """A literal text, and the column that follows it, with its default if it may have no value."""

    literal: str
    column: str | None = None
    default: str | None = None


def _parse_template(template: str) -> list[_Part]:
    """The parts of a template. Doubled braces are literal."""
    parts: list[_Part] = []
    literal, end = "", 0
    for match in _PART.finditer(template):
        literal += template[end : match.start()]
        end = match.end()
        if match[1] is None:
            literal += match[0][0]
        else:
            parts.append(_Part(literal, match[1], match[2]))
            literal = ""
    literal += template[end:]
    return [*parts, _Part(literal)] if literal or not parts else parts


def _check_template(template: str) -> str:
    if set(_PART.sub("", template)) & {"{", "}"}:
        raise PydanticCustomError(
            "template",
            "Write a column in braces, such as PROJECT-{{project_key}}. Give a column whose name has braces another "
            "name in [columns].",
        )
    return template


Template = Annotated[str, AfterValidator(_check_template)]


def quote_literal(text: str) -> str:
    """The template that yields ``text``."""
    return text.replace("{", "{{").replace("}", "}}")


def template_columns(*templates: str | None) -> set[str]:
    """The columns of templates, without those that have a default."""
    return {
        part.column
        for template in templates
        if template
        for part in _parse_template(template)
        if part.column and part.default is None
    }


def compile_template(
    template: str | None, header: Sequence[str], no_value: Sequence[str]
) -> Callable[[Sequence[str]], str]:
    """A function from a row's fields to the text of a template.

    It is empty if a column without a default has no value. A template that is only a column returns the exact text.
    """
    blanks = frozenset(no_value)
    # A column with a default need not exist.
    parts = [
        _Part(part.literal + (part.default or "")) if part.column and part.column not in header else part
        for part in _parse_template(template or "")
    ]
    columns = [(header.index(part.column), part.default) for part in parts if part.column is not None]
    literals = [part.literal for part in parts]
    if len(columns) == 1 and literals == [""]:
        [(column_index, default)] = columns
        blank_text = default or ""
        return lambda fields: blank_text if fields[column_index].strip() in blanks else fields[column_index]
    defaults = [default for _, default in columns]

    @lru_cache(CACHE_SIZE)
    def fill(*values: str) -> str:
        texts = []
        for value, default in zip(values, defaults, strict=True):
            stripped = value.strip()
            if stripped in blanks:
                if default is None:
                    return ""
                stripped = default
            texts.append(stripped)
        return "".join(chain.from_iterable(zip_longest(literals, texts, fillvalue="")))

    indices = [index for index, _ in columns]
    match indices:
        case []:
            constant = fill()
            return lambda _: constant
        case [index]:
            return lambda fields: fill(fields[index])
        case _:
            return lambda fields: fill(*itemgetter(*indices)(fields))


def build_matcher(options: Sequence[tuple[str, Sequence[str]]]) -> Matcher:
    """A function from a text to the name of the first option with a pattern that matches.

    Patterns can contain ``*``, ``?`` and ``[…]``; case is ignored.
    """
    folded = [(name, [pattern.casefold() for pattern in patterns]) for name, patterns in options]

    @lru_cache(CACHE_SIZE)
    def match(text: str) -> str | None:
        text = text.strip().casefold()
        return next(
            (name for name, patterns in folded if any(fnmatchcase(text, pattern) for pattern in patterns)), None
        )

    return match
