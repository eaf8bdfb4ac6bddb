"""Settings, read from the environment (SPEC 6)."""

import os
from difflib import get_close_matches
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tidemark_shared.domain.locales import Locale

MIN_SECRET_BYTES = 32
# How similar a misspelt name is. Kubernetes sets TIDEMARK_CONSUMPTION_PORT for a service "tidemark-consumption": 0.84.
_MISSPELT = 0.85
# Late work is often logged in one sitting.
RESTATEMENT_QUIET_SECONDS = 300
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})


class Settings(BaseSettings):
    """The settings of a process. Each is an environment variable with the prefix ``TIDEMARK_``.

    A service needs only the settings that it uses. A missing setting raises an error when the service first uses it
    (:func:`require_setting`).
    """

    model_config = SettingsConfigDict(env_prefix="TIDEMARK_", extra="ignore", frozen=True)

    database_url: str | None = None
    contracts_database_url: str | None = None
    consumption_database_url: str | None = None
    notifier_database_url: str | None = None
    intake_database_url: str | None = None
    kafka_bootstrap_servers: str | None = None
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_username: str | None = None
    kafka_password: str | None = Field(default=None, repr=False)
    kafka_ca_file: str | None = Field(
        default=None, description="The certificate authorities of the brokers; without it, those of the system."
    )
    smtp_url: str | None = Field(
        default=None, description="smtp://[user:password@]host:port, smtps:// for TLS from the start"
    )
    mail_from: str = Field(
        default="Tidemark <tidemark@localhost>", description="The sender of mails: a name and an address."
    )
    locale: Locale = Field(
        default="en",
        description="The language of mails to the provider's own people, and of chats; see docs/mails.md.",
    )
    restatement_quiet_seconds: int = Field(
        default=RESTATEMENT_QUIET_SECONDS,
        ge=0,
        description="For the notifier: how long after the last correction of a statement its mail is sent.",
    )
    webhook_allow: str = Field(default="", description="Internal hosts, addresses and networks that webhooks may call.")

    host: str = "127.0.0.1"
    port: int = Field(default=8000, description="The port the process serves HTTP on.")
    public_url: str = Field(
        default="http://127.0.0.1:8000", description="The address that people use; the base of links in mails."
    )
    contracts_url: str = "http://127.0.0.1:8001"
    consumption_url: str = "http://127.0.0.1:8002"
    web_url: str | None = Field(
        default=None, description="For the notifier: the address of web, if it does not reach it at public_url."
    )
    notifier_url: str = "http://127.0.0.1:8003"
    intake_url: str | None = Field(default=None, description="For web: the address of intake, where it runs.")
    intake_file: str | None = Field(default=None, description="The trackers that intake reads; see docs/intake.md.")
    inbox_url: str | None = Field(
        default=None, description="The address of a local mail sink; web shows it under /inbox."
    )

    api_url: str | None = Field(default=None, description="For the command line: the address of the API.")
    api_token: str | None = Field(default=None, description="For the command line: a bearer token.")
    secret: str | None = Field(default=None, description="Key that signs the API's tokens; the same for every service.")
    open: bool = Field(default=False, description="For web, on loopback only: accept requests without a token.")
    allowed_hosts: str = Field(
        default="", description="For web: names that it answers to, besides its host, loopback and public_url."
    )

    oidc_issuer: str | None = Field(default=None, description="For web: the OpenID provider that people sign in with.")
    oidc_client_id: str | None = Field(default=None, description="The id of this Tidemark at the provider.")
    oidc_client_secret: str | None = Field(default=None, repr=False)
    oidc_name_claim: str = Field(default="preferred_username", description="The claim with a person's name.")
    oidc_roles_claim: str = Field(default="groups", description="The claim whose values give roles.")
    oidc_roles: str | None = Field(default=None, description="The role of each value: `staff=viewer; ops=admin`.")

    otlp_endpoint: str | None = Field(
        default=None, description="The address of a collector that takes OTLP over HTTP; without it, nothing is traced."
    )
    topic_prefix: str = Field(default="", description="Prefix of all topic names, so that systems can share a broker.")
    log_level: str = "INFO"

    @field_validator("secret")
    @classmethod
    def _check_secret(cls, secret: str | None) -> str | None:
        """Refuse a key that is shorter than the hash of HS256 (RFC 7518, 3.2): it could be guessed from one token."""
        if secret and len(secret.encode()) < MIN_SECRET_BYTES:
            raise InvalidSettingError(
                f"TIDEMARK_SECRET has {len(secret.encode())} bytes; it needs at least {MIN_SECRET_BYTES}. "
                "Make one with `openssl rand -hex 32`."
            )
        return secret

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        """Refuse a misspelt variable. A variable that resembles no setting may belong to another program."""
        prefix = "TIDEMARK_"
        names = {f"{prefix}{name.upper()}" for name in type(self).model_fields}
        for variable in sorted(os.environ):
            if variable.startswith(prefix) and variable not in names:
                name = variable.removeprefix(prefix).lower()
                similar = get_close_matches(name, type(self).model_fields, n=1, cutoff=_MISSPELT)
                if similar:
                    raise InvalidSettingError(
                        f"{variable} is not a setting. Rename it to {prefix}{similar[0].upper()}, or unset it."
                    )
        return self

    @model_validator(mode="after")
    def _check_open(self) -> Self:
        if self.open and self.host not in LOOPBACK_HOSTS:
            raise InvalidSettingError(
                f"TIDEMARK_OPEN accepts requests without a token, and TIDEMARK_HOST={self.host} is open to other "
                "machines. Unset TIDEMARK_OPEN, or set TIDEMARK_HOST=127.0.0.1."
            )
        return self

    def service_database_url(self, service: str) -> str:
        """The URL of a service's own database, or of the common one."""
        own: str | None = getattr(self, f"{service}_database_url")
        return own or require_setting(self.database_url, "database_url")


def require_setting(value: str | None, name: str) -> str:
    """Return ``value``, or raise an error that names the variable to set."""
    if not value:
        raise MissingSettingError(name)
    return value


class InvalidSettingError(Exception):
    """A setting cannot be used; the text says why and what to do."""


class MissingSettingError(InvalidSettingError):
    """A setting that this process needs is not set."""

    def __init__(self, name: str) -> None:
        self.variable = f"TIDEMARK_{name.upper()}"
        super().__init__(f"{self.variable} is not set. Set it in the environment (see `tidemark env`).")
