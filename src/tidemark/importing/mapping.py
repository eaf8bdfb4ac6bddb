"""MAP.toml: what the columns of a CSV file mean to Tidemark. ``docs/import.md`` explains every key."""

import tomllib
from collections.abc import Callable, Sequence
from datetime import date
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import chain, zip_longest
from operator import itemgetter
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from tidemark_shared.domain import bodies
from tidemark_shared.messaging.cloudevents import describe_validation_error
from tidemark_shared.messaging.events import Id


class MappingError(Exception):
    """The mapping cannot be used; says what, where, and how to mend it."""


def _parts(template: str) -> list[tuple[str, str | None]]:
    """The literal texts of a template, each with the column that follows it."""
    return [(literal, column) for literal, column, _, _ in Formatter().parse(template)]


def _check_template(template: str) -> str:
    try:
        plain = all(
            column is None or (column and not spec and not conversion)
            for _, column, spec, conversion in Formatter().parse(template)
        )
    except ValueError:
        plain = False
    if not plain:
        raise PydanticCustomError("template", "Write a column in braces, such as PROJECT-{{project_key}}.")
    return template


Template = Annotated[str, AfterValidator(_check_template)]
Patterns = Annotated[tuple[str, ...], Field(min_length=1)]
# Templates and patterns give the same answer for the same text, and a file repeats itself.
REMEMBERED = 10_000

Choose = Callable[[str], str | None]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Worklogs(_Table):
    """Where a row says who worked on what, when and how long."""

    id: Template
    author: Template
    started: Template
    duration: Template
    unit: Literal["seconds", "minutes", "hours"]
    updated: Template | None = None
    description: Template | None = None


class Issues(_Table):
    """The issue that a row's work belongs to."""

    id: Template
    key: Template | None = None
    summary: Template | None = None
    created: Template | None = None


class Organizations(_Table):
    """The customer; ``unknown`` is the name where no row of a contract names one."""

    name: Template
    unknown: bodies.Name = "Unknown organization"
    timezone: bodies.Zone | None = None


class Persons(_Table):
    """Persons whose rows belong to this team, whatever the row says."""

    name: bodies.Name
    persons: Patterns


class Teams(_Table):
    """The team of a row: the first of ``split`` that holds the person, else ``name``."""

    name: Template = ""
    split: tuple[Persons, ...] = ()


class Account(_Table):
    """A group of rows inside a contract; ``share`` is its part of hours that are stated for the whole contract."""

    name: bodies.Name
    match: Patterns
    billable: bool = True
    share: Annotated[int, Field(ge=0)] = 1


class Contracts(_Table):
    """The contracts, and what holds for each unless ``contracts`` says otherwise."""

    code: Template
    name: Template
    owner: bodies.Owner
    planned_hours: Annotated[bodies.Hours, Field(gt=0)]
    description: bodies.Text = ""
    start_date: date | None = None
    end_date: date | None = None


class Override(_Table):
    """What one contract, known by its code, has of its own."""

    name: bodies.Name | None = None
    planned_hours: Annotated[bodies.Hours, Field(gt=0)] | None = None
    start_date: date | None = None
    end_date: date | None = None
    status: Literal["draft", "active", "inactive"] = "active"


class LinkException(_Table):
    """Issues that are linked otherwise than their rows say; without a contract they are not linked at all."""

    issues: Patterns
    contract: Id | None = None
    account: Id | None = None


class Planned(_Table):
    """How a file of planned time is read; contract, account and team are found as for the worklogs."""

    duration: Template
    unit: Literal["seconds", "minutes", "hours"]


class Mapping(_Table):
    """A whole MAP.toml."""

    source: Id
    timezone: bodies.Zone
    date_formats: Patterns
    account_by: Template
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    encoding: str = "utf-8"
    no_value: tuple[str, ...] = ("",)

    worklog: Worklogs
    issue: Issues
    organization: Organizations
    team: Teams = Teams()
    contract: Contracts
    account: Annotated[tuple[Account, ...], Field(min_length=1, max_length=6)]
    contracts: dict[str, Override] = {}
    link: tuple[LinkException, ...] = ()
    planned: Planned | None = None

    @model_validator(mode="after")
    def _accounts_take_everything(self) -> Self:
        if "*" not in self.account[-1].match:
            raise PydanticCustomError(
                "catch_all", 'The last [[account]] takes what no other matches: give it match = ["*"].'
            )
        names = [account.name for account in self.account]
        if len(set(names)) < len(names):
            raise PydanticCustomError("twice", "Two [[account]] have one name. Join their match lists.")
        if not any(account.billable and account.share for account in self.account):
            raise PydanticCustomError("billable", "At least one [[account]] is billable and has a share above 0.")
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The zone of local times."""
        return ZoneInfo(self.timezone)

    def override(self, code: str) -> Override:
        """What is stated for one contract."""
        return self.contracts.get(code) or Override()


def load(path: Path) -> Mapping:
    """Read a MAP.toml. Raises :class:`MappingError`."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except MappingError as error:
        raise MappingError(f"{path}: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise MappingError(f"{path} cannot be read: {error}. Name a TOML file in UTF-8.") from None


def parse(text: str) -> Mapping:
    """A mapping from the text of a MAP.toml. Raises :class:`MappingError`."""
    try:
        return Mapping.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"This is not TOML: {error}.") from None
    except ValidationError as error:
        raise MappingError(describe_validation_error(error)) from None


def columns(*templates: str | None) -> set[str]:
    """The columns that templates name."""
    return {column for template in templates if template for _, column in _parts(template) if column}


def render(template: str | None, header: Sequence[str], no_value: Sequence[str]) -> Callable[[Sequence[str]], str]:
    """A template as a function of a row's fields; empty where one of its columns holds no value.

    A template that is one column alone gives the text of the file, exactly.
    """
    blanks = frozenset(no_value)
    parts = [(literal, None if column is None else header.index(column)) for literal, column in _parts(template or "")]
    literals = [literal for literal, _ in parts]
    indices = [index for _, index in parts if index is not None]
    if len(indices) == 1 and literals == [""]:
        only = indices[0]
        return lambda fields: "" if fields[only].strip() in blanks else fields[only]

    @lru_cache(REMEMBERED)
    def text(*values: str) -> str:
        stripped = [value.strip() for value in values]
        if not blanks.isdisjoint(stripped):
            return ""
        return "".join(chain.from_iterable(zip_longest(literals, stripped, fillvalue="")))

    match indices:
        case []:
            constant = text()
            return lambda _: constant
        case [index]:
            return lambda fields: text(fields[index])
        case _:
            return lambda fields: text(*itemgetter(*indices)(fields))


def chooser(options: Sequence[tuple[str, Sequence[str]]]) -> Choose:
    """The name of the first option with a pattern that matches: ``*``, ``?``, ``[…]``, whatever the case."""
    folded = [(name, [pattern.casefold() for pattern in patterns]) for name, patterns in options]

    @lru_cache(REMEMBERED)
    def choose(text: str) -> str | None:
        text = text.strip().casefold()
        return next(
            (name for name, patterns in folded if any(fnmatchcase(text, pattern) for pattern in patterns)), None
        )

    return choose
