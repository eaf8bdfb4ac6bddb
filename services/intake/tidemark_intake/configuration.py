"""The file of sources, ``TIDEMARK_INTAKE_FILE``. ``docs/intake.md`` explains every key."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from tidemark_shared.domain.strict_input import StrictAdapter
from tidemark_shared.messaging.cloudevents import describe_validation_error
from tidemark_shared.messaging.events import Id
from tidemark_shared.settings import InvalidSettingError

Kind = Literal["jira", "jira_data_center", "tempo", "clockify", "toggl", "harvest", "kimai"]
_WORK_OF_JIRA = frozenset({"jira", "jira_data_center", "tempo"})


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
    """Issues that have all of these attributes belong to a contract and account. Patterns use ``*`` and ``?``."""

    contract: Id
    account: Id
    match: Annotated[Mapping[str, str], Field(min_length=1)]


class Source(_Section):
    """A tracker, and where its work belongs."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="The name in addresses and messages.")]
    kind: Kind
    url: Annotated[str, Field(pattern=r"^https?://[^/\s]+", description="The address of the tracker's API.")]
    source: Id | None = None
    user: str | None = None
    token: Secret
    webhook_secret: Secret | None = None
    workspace: str | None = None
    site: str | None = None
    contract_field: str | None = None
    account_field: str | None = None
    rule: tuple[LinkRule, ...] = ()
    descriptions: bool = False
    reconcile_seconds: Annotated[int, Field(ge=10, le=86_400)] = 300
    first_day: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")] = "2000-01-01"
    reread_days: Annotated[int, Field(ge=1, le=3_660)] = 35

    @property
    def event_source(self) -> str:
        """``ce_source`` of the events."""
        return self.source or self.url

    @model_validator(mode="after")
    def _check_link(self) -> Self:
        if not self.contract_field and not self.rule:
            raise PydanticCustomError("link", "Give contract_field, or at least one [[source.rule]].")
        return self


class _File(_Section):
    source: Annotated[tuple[Source, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _check_sources(self) -> Self:
        ids = [source.id for source in self.source]
        if len(set(ids)) < len(ids):
            raise PydanticCustomError("twice", "Two sources have the same id. Change one.")
        sites = [source.site or source.url for source in self.source if source.kind in _WORK_OF_JIRA]
        if len(set(sites)) < len(sites):
            raise PydanticCustomError(
                "site", "Two sources read the same Jira site. The same work is in Jira and in Tempo: keep one of them."
            )
        return self


_file: StrictAdapter[_File] = StrictAdapter(_File)


def secret_names(sources: Sequence[Source]) -> set[str]:
    """The environment variables with the secrets of the sources."""
    secrets = [secret for source in sources for secret in (source.token, source.webhook_secret) if secret]
    return {secret.env for secret in secrets}


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
