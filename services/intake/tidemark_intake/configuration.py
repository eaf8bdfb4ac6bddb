"""The file of sources, ``TIDEMARK_INTAKE_FILE``. ``docs/intake.md`` explains every key."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from tidemark_shared.domain.bodies import Zone
from tidemark_shared.domain.strict_input import StrictAdapter
from tidemark_shared.messaging.cloudevents import describe_validation_error
from tidemark_shared.messaging.events import Id
from tidemark_shared.settings import InvalidSettingError

Kind = Literal["jira", "jira_data_center", "tempo", "clockify", "toggl", "harvest", "kimai"]
_WORK_OF_JIRA = frozenset({"jira", "jira_data_center", "tempo"})
_JIRA_ATTRIBUTES = frozenset({"project", "component", "label", "epic", "type", "key", "jql"})
_ENTRY_ATTRIBUTES = frozenset({"project", "task", "client"})
# Kinds that need a workspace.
_IN_WORKSPACE = frozenset({"clockify", "toggl", "harvest"})


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True)


class Secret(_Section):
    """A secret, by the name of the environment variable that has it."""

    env: Annotated[str, Field(min_length=1)]

    def read(self) -> str:
        """The secret. Raises :class:`InvalidSettingError` if the variable is not set."""
        value = os.environ.get(self.env, "")
        if not value:
            raise InvalidSettingError(f"{self.env} is not set. {os.environ.get('TIDEMARK_INTAKE_FILE')} names it.")
        return value


class LinkRule(_Section):
    """Issues that have all of these attributes belong to a contract and account. Patterns use ``*`` and ``?``.

    ``jql`` is no pattern, but a query that Jira answers. ``account`` may be missing if ``account_field`` names it.
    """

    contract: Id
    account: Id | None = None
    match: Annotated[Mapping[str, str], Field(min_length=1)]


class Source(_Section):
    """A tracker, and where its work belongs."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="The name in addresses and messages.")]
    kind: Kind
    url: Annotated[str, Field(pattern=r"^https?://[^/\s]+", description="The address of the tracker's API.")]
    source: Id | None = None
    replaces: str | None = None
    user: str | None = None
    token: Secret
    webhook_secret: Secret | None = None
    workspace: str | None = None
    site: Annotated[str, Field(pattern=r"^https?://[^/\s]+")] | None = None
    site_user: str | None = None
    site_token: Secret | None = None
    contract_field: str | None = None
    account_field: str | None = None
    rule: tuple[LinkRule, ...] = ()
    descriptions: bool = False
    reconcile_seconds: Annotated[int, Field(ge=10, le=86_400)] = 300
    first_day: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")] = "2000-01-01"
    reread_days: Annotated[int, Field(ge=1, le=3_660)] = 35
    timezone: Zone = "UTC"

    @property
    def event_source(self) -> str:
        """``ce_source`` of the events."""
        return self.source or self.url

    @property
    def jira_site(self) -> str | None:
        """The Jira site whose work it is, in the form in which sites are compared; None of other trackers."""
        return (self.site or self.url).rstrip("/").casefold() if self.kind in _WORK_OF_JIRA else None

    @property
    def has_entries(self) -> bool:
        """Whether the tracker has time entries with a project and task, and no issues."""
        return self.kind not in _WORK_OF_JIRA

    @property
    def attributes(self) -> AbstractSet[str]:
        """The attributes that rules can look at."""
        if self.kind == "tempo":
            return {"issue"} | (_JIRA_ATTRIBUTES if self.site_token else set())
        return _JIRA_ATTRIBUTES if self.kind in _WORK_OF_JIRA else _ENTRY_ATTRIBUTES

    @model_validator(mode="after")
    def _check_link(self) -> Self:
        if not self.contract_field and not self.rule:
            raise PydanticCustomError("link", "Give contract_field, or at least one [[source.rule]].")
        unknown = sorted({name for rule in self.rule for name in rule.match} - self.attributes)
        if unknown:
            raise PydanticCustomError(
                "match",
                "{kind} has no {unknown} to match. It has {names}.",
                {"kind": self.kind, "unknown": ", ".join(unknown), "names": ", ".join(sorted(self.attributes))},
            )
        if not self.account_field and any(rule.account is None for rule in self.rule):
            raise PydanticCustomError("account", "Give each [[source.rule]] an account, or give account_field.")
        return self

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        if self.kind in _IN_WORKSPACE and not self.workspace:
            raise PydanticCustomError("workspace", "Give workspace: the id of the workspace or account to read.")
        if self.kind == "tempo" and not self.site:
            raise PydanticCustomError("site", "Give site, the address of the Jira site whose work Tempo keeps.")
        try:
            date.fromisoformat(self.first_day)
        except ValueError as error:
            raise PydanticCustomError("first_day", "first_day: {error}.", {"error": str(error)}) from None
        return self


class _File(_Section):
    source: Annotated[tuple[Source, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _check_sources(self) -> Self:
        ids = [source.id for source in self.source]
        if len(set(ids)) < len(ids):
            raise PydanticCustomError("twice", "Two sources have the same id. Change one.")
        if replaced := sorted({source.replaces for source in self.source if source.replaces} & set(ids)):
            raise PydanticCustomError(
                "replaces", "{id} is replaced, and still in the file. Remove it.", {"id": replaced[0]}
            )
        of_tempo = [source.event_source for source in self.source if source.kind == "tempo"]
        if len(set(of_tempo)) < len(of_tempo):
            raise PydanticCustomError(
                "source",
                "Two Tempo sources have one name, and sites have issues with equal numbers. Give each a source.",
            )
        sites = [source.jira_site for source in self.source if source.jira_site]
        if len(set(sites)) < len(sites):
            raise PydanticCustomError(
                "site", "Two sources read the same Jira site. The same work is in Jira and in Tempo: keep one of them."
            )
        return self


_file: StrictAdapter[_File] = StrictAdapter(_File)


def secret_names(sources: Sequence[Source]) -> set[str]:
    """The environment variables with the secrets of the sources."""
    secrets = [secret for source in sources for secret in _secrets(source) if secret]
    return {secret.env for secret in secrets}


def _secrets(source: Source) -> tuple[Secret | None, ...]:
    return source.token, source.webhook_secret, source.site_token


def load_sources(path: str | None) -> Sequence[Source]:
    """The sources of the file. Raises :class:`InvalidSettingError`."""
    if not path:
        raise InvalidSettingError("TIDEMARK_INTAKE_FILE is not set. It names the file with the trackers to read.")
    try:
        return _file.validate(tomllib.loads(Path(path).read_text("utf-8"))).source
    except OSError as error:
        raise InvalidSettingError(f"{path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidSettingError(f"{path} is not TOML: {error}.") from None
    except ValidationError as error:
        raise InvalidSettingError(f"{path}: {describe_validation_error(error)}") from None
