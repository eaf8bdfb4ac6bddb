"""MAP.toml: the meaning of the columns of a CSV file. ``docs/import.md`` explains every key."""

import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from tidemark.importing.files import FileError, read_text
from tidemark.importing.presets import list_presets
from tidemark.importing.templates import Template
from tidemark.importing.values import Rounding, Unit
from tidemark_shared.domain import bodies
from tidemark_shared.domain.strict_input import StrictAdapter
from tidemark_shared.messaging.cloudevents import describe_validation_error
from tidemark_shared.messaging.events import Id


class MappingError(Exception):
    """The mapping cannot be used; the text says what is wrong, where, and how to correct it."""


Patterns = Annotated[tuple[str, ...], Field(min_length=1)]
_MAX_MAPPING_SIZE = 2 << 20


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True)


class WorklogColumns(_Section):
    """The columns with the person, time and duration of the work.

    Without ``id`` a row is identified by its content. Without ``duration`` the work lasts until ``ended``.
    """

    id: Template | None = None
    author: Template
    started: Template
    ended: Template | None = None
    duration: Template | None = None
    unit: Unit = "clock"
    rounding: Rounding = "none"
    updated: Template | None = None
    description: Template | None = None


class IssueColumns(_Section):
    """The columns of the issue that a row's work belongs to."""

    id: Template
    key: Template | None = None
    summary: Template | None = None
    created: Template | None = None


class OrganizationColumns(_Section):
    """The customer; ``unknown`` is the name if no row of a contract has one.

    Rows of one contract that name several customers are an error, unless ``of_contract`` takes the most frequent.
    """

    name: Template = ""
    of_contract: Literal["one", "most_frequent"] = "one"
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
    """The contracts, and the values that apply unless ``contracts`` overrides them.

    Without ``owner`` and ``planned_hours``, no contract is created.
    """

    code: Template
    name: Template = ""
    owner: bodies.Owner | None = None
    planned_hours: Annotated[bodies.Hours, Field(gt=0)] | None = None
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
    """A whole MAP.toml. Without ``account``, the text of ``account_by`` is the name of the account."""

    source: Id
    timezone: bodies.Zone | None = None
    date_formats: Patterns = ("iso",)
    account_by: Template
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    encoding: str | None = None
    list: str = ""
    split: str = ""
    notes: Template | None = None
    no_value: tuple[str, ...] = ("",)
    columns: dict[str, str] = {}
    same: dict[str, str] = {}

    worklog: WorklogColumns
    issue: IssueColumns
    organization: OrganizationColumns = OrganizationColumns()
    team: TeamColumns = TeamColumns()
    contract: ContractDefaults
    account: Annotated[tuple[AccountMapping, ...], Field(max_length=6)] = ()
    contracts: dict[str, ContractOverride] = {}
    link: tuple[LinkOverride, ...] = ()
    planned: PlannedColumns | None = None

    @model_validator(mode="after")
    def _check_accounts(self) -> Self:
        if self.creates_contracts and not self.account:
            raise PydanticCustomError("accounts", "A mapping that creates contracts needs at least one [[account]].")
        if self.account and "*" not in self.account[-1].match:
            raise PydanticCustomError("catch_all", 'The last [[account]] must match all other rows: set match = ["*"].')
        names = [account.name for account in self.account]
        if len(set(names)) < len(names):
            raise PydanticCustomError("twice", "Two [[account]] have the same name. Merge their match lists.")
        if self.account and not any(account.billable and account.share for account in self.account):
            raise PydanticCustomError("billable", "At least one [[account]] must be billable and have a share above 0.")
        if self.worklog.duration is None and self.worklog.ended is None:
            raise PydanticCustomError("duration", "[worklog] needs duration or ended.")
        return self

    @property
    def creates_contracts(self) -> bool:
        """Whether the mapping states what a new contract needs."""
        return self.contract.owner is not None and self.contract.planned_hours is not None

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of local times, unless the zone of a contract applies."""
        return ZoneInfo(self.timezone or "UTC")

    def merge(self, name: str) -> str:
        """The name that this one means, by ``same``."""
        return self.same.get(name, name)

    def override(self, code: str) -> ContractOverride:
        """The values of one contract."""
        return self.contracts.get(code) or ContractOverride()


_mapping: StrictAdapter[Mapping] = StrictAdapter(Mapping)


def load_mapping(path: Path, overrides: dict[str, Any] | None = None) -> Mapping:
    """Read a MAP.toml; see :func:`parse_mapping`. Raises :class:`MappingError`."""
    try:
        return parse_mapping(read_text(path, max_size=_MAX_MAPPING_SIZE), overrides)
    except MappingError as error:
        raise MappingError(f"{path}: {error}") from None
    except FileError as error:
        raise MappingError(str(error)) from None


def parse_mapping(text: str, overrides: dict[str, Any] | None = None) -> Mapping:
    """Parse the text of a MAP.toml, whose ``preset`` it completes. ``overrides`` are values that win over the text.

    Raises :class:`MappingError`.
    """
    try:
        document = tomllib.loads(text)
        if "preset" in document:
            name = document.pop("preset")
            preset = next((preset for preset in list_presets() if preset.name == name), None)
            if preset is None:
                names = ", ".join(sorted(preset.name for preset in list_presets()))
                raise MappingError(f"Unknown preset {name!r}. The presets are {names}.")
            document = _merge(preset.mapping, document)
        return validate_mapping(document, overrides or {})
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise MappingError(f"The mapping is not TOML: {error}.") from None


def validate_mapping(document: dict[str, Any], overrides: dict[str, Any]) -> Mapping:
    """The mapping of a document with ``overrides``. Raises :class:`MappingError`."""
    try:
        mapping = _mapping.validate(_merge(document, overrides))
    except ValidationError as error:
        raise MappingError(describe_validation_error(error)) from None
    if "TODO" in mapping.date_formats:
        raise MappingError("date_formats: Replace TODO with the format of the dates, such as %d.%m.%Y.")
    sections = {"worklog": mapping.worklog, "issue": mapping.issue, "contract": mapping.contract}
    for section, values in sections.items():
        if open_keys := [key for key, value in values if value == "TODO"]:
            raise MappingError(f"{section}.{open_keys[0]}: Replace TODO with a column in braces, such as {{Project}}.")
    return mapping


def _merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``base`` with ``changes``; tables are merged, all other values are replaced."""
    merged = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _merge(base[key], value) if both else value
    return merged
