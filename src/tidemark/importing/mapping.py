"""MAP.toml: the meaning of the columns of a CSV file. ``docs/import.md`` explains every key."""

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

from tidemark.importing.files import FileError, read_text
from tidemark_shared.domain import bodies
from tidemark_shared.domain.strict_input import StrictAdapter
from tidemark_shared.messaging.cloudevents import describe_validation_error
from tidemark_shared.messaging.events import Id


class MappingError(Exception):
    """The mapping cannot be used; the text says what is wrong, where, and how to correct it."""


def _parse_template(template: str) -> list[tuple[str, str | None]]:
    """The literal texts of a template, each with the column that follows it."""
    return [(literal, column) for literal, column, _, _ in Formatter().parse(template)]


def _check_template(template: str) -> str:
    try:
        is_valid = all(
            column is None or (column and not spec and not conversion)
            for _, column, spec, conversion in Formatter().parse(template)
        )
    except ValueError:
        is_valid = False
    if not is_valid:
        raise PydanticCustomError("template", "Write a column in braces, such as PROJECT-{{project_key}}.")
    return template


Template = Annotated[str, AfterValidator(_check_template)]
Patterns = Annotated[tuple[str, ...], Field(min_length=1)]
# The number of results of templates and patterns that are cached: the texts in a file repeat.
CACHE_SIZE = 10_000
_MAX_MAPPING_SIZE = 2 << 20

Matcher = Callable[[str], str | None]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True)


class WorklogColumns(_Section):
    """The columns with the person, time and duration of the work."""

    id: Template
    author: Template
    started: Template
    duration: Template
    unit: Literal["seconds", "minutes", "hours"]
    updated: Template | None = None
    description: Template | None = None


class IssueColumns(_Section):
    """The columns of the issue that a row's work belongs to."""

    id: Template
    key: Template | None = None
    summary: Template | None = None
    created: Template | None = None


class OrganizationColumns(_Section):
    """The customer; ``unknown`` is the name if no row of a contract has one."""

    name: Template
    unknown: bodies.Name = "Unknown organization"
    timezone: bodies.Zone | None = None


class TeamSplit(_Section):
    """Persons whose rows belong to this team, whatever team the row names."""

    name: bodies.Name
    persons: Patterns


class TeamColumns(_Section):
    """The team of a row: the first of ``split`` that matches the person, else ``name``."""

    name: Template = ""
    split: tuple[TeamSplit, ...] = ()


class AccountMapping(_Section):
    """A group of rows in a contract; ``share`` is its part of the hours that are stated for the whole contract."""

    name: bodies.Name
    match: Patterns
    billable: bool = True
    share: Annotated[int, Field(ge=0)] = 1


class ContractDefaults(_Section):
    """The contracts, and the values that apply unless ``contracts`` overrides them."""

    code: Template
    name: Template
    owner: bodies.Owner
    planned_hours: Annotated[bodies.Hours, Field(gt=0)]
    description: bodies.Text = ""
    start_date: date | None = None
    end_date: date | None = None


class ContractOverride(_Section):
    """The values of one contract, named by its code."""

    name: bodies.Name | None = None
    planned_hours: Annotated[bodies.Hours, Field(gt=0)] | None = None
    start_date: date | None = None
    end_date: date | None = None
    status: Literal["draft", "active", "inactive"] = "active"


class LinkOverride(_Section):
    """Issues with another link than their rows state; without a contract they are not linked."""

    issues: Patterns
    contract: Id | None = None
    account: Id | None = None


class PlannedColumns(_Section):
    """The columns of a file of planned time; contract, account and team are read as for worklogs."""

    duration: Template
    unit: Literal["seconds", "minutes", "hours"]


class Mapping(_Section):
    """A whole MAP.toml."""

    source: Id
    timezone: bodies.Zone
    date_formats: Patterns
    account_by: Template
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    encoding: str = "utf-8"
    no_value: tuple[str, ...] = ("",)

    worklog: WorklogColumns
    issue: IssueColumns
    organization: OrganizationColumns
    team: TeamColumns = TeamColumns()
    contract: ContractDefaults
    account: Annotated[tuple[AccountMapping, ...], Field(min_length=1, max_length=6)]
    contracts: dict[str, ContractOverride] = {}
    link: tuple[LinkOverride, ...] = ()
    planned: PlannedColumns | None = None

    @model_validator(mode="after")
    def _check_accounts(self) -> Self:
        if "*" not in self.account[-1].match:
            raise PydanticCustomError("catch_all", 'The last [[account]] must match all other rows: set match = ["*"].')
        names = [account.name for account in self.account]
        if len(set(names)) < len(names):
            raise PydanticCustomError("twice", "Two [[account]] have the same name. Merge their match lists.")
        if not any(account.billable and account.share for account in self.account):
            raise PydanticCustomError("billable", "At least one [[account]] must be billable and have a share above 0.")
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of local times."""
        return ZoneInfo(self.timezone)

    def override(self, code: str) -> ContractOverride:
        """The values of one contract."""
        return self.contracts.get(code) or ContractOverride()


_mapping: StrictAdapter[Mapping] = StrictAdapter(Mapping)


def load_mapping(path: Path) -> Mapping:
    """Read a MAP.toml. Raises :class:`MappingError`."""
    try:
        return parse_mapping(read_text(path, max_size=_MAX_MAPPING_SIZE))
    except MappingError as error:
        raise MappingError(f"{path}: {error}") from None
    except FileError as error:
        raise MappingError(str(error)) from None


def parse_mapping(text: str) -> Mapping:
    """Parse the text of a MAP.toml. Raises :class:`MappingError`."""
    try:
        return _mapping.validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise MappingError(f"The mapping is not TOML: {error}.") from None
    except ValidationError as error:
        raise MappingError(describe_validation_error(error)) from None


def template_columns(*templates: str | None) -> set[str]:
    """The columns of templates."""
    return {column for template in templates if template for _, column in _parse_template(template) if column}


def compile_template(
    template: str | None, header: Sequence[str], no_value: Sequence[str]
) -> Callable[[Sequence[str]], str]:
    """A function from a row's fields to the text of a template; empty if one of its columns has no value.

    A template with only one column returns the exact text of the file.
    """
    blanks = frozenset(no_value)
    parts = [
        (literal, None if column is None else header.index(column))
        for literal, column in _parse_template(template or "")
    ]
    literals = [literal for literal, _ in parts]
    indices = [index for _, index in parts if index is not None]
    if len(indices) == 1 and literals == [""]:
        column_index = indices[0]
        return lambda fields: "" if fields[column_index].strip() in blanks else fields[column_index]

    @lru_cache(CACHE_SIZE)
    def fill(*values: str) -> str:
        stripped = [value.strip() for value in values]
        if not blanks.isdisjoint(stripped):
            return ""
        return "".join(chain.from_iterable(zip_longest(literals, stripped, fillvalue="")))

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
