"""Settings, from the environment alone; SPEC 6 names them."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What a process of Tidemark is told. Every name is an environment variable with the prefix ``TIDEMARK_``.

    A service is given only what it uses: what is missing fails when it is first needed, by name
    (:func:`tidemark_shared.settings.required`).
    """

    model_config = SettingsConfigDict(env_prefix="TIDEMARK_", extra="ignore", frozen=True)

    database_url: str | None = None
    contracts_database_url: str | None = None
    consumption_database_url: str | None = None
    notifier_database_url: str | None = None
    kafka_bootstrap_servers: str | None = None
    smtp_url: str | None = Field(None, description="smtp://[user:password@]host:port, smtps:// for TLS from the start")
    mail_from: str = "Tidemark <tidemark@localhost>"
    webhook_allow: str = Field("", description="Internal hosts, addresses and networks that webhooks may reach.")

    host: str = "127.0.0.1"
    port: int = Field(8000, description="The port the process serves HTTP on.")
    public_url: str = Field("http://127.0.0.1:8000", description="Where people reach the pages; links in mails.")
    contracts_url: str = "http://127.0.0.1:8001"
    consumption_url: str = "http://127.0.0.1:8002"
    notifier_url: str = "http://127.0.0.1:8003"
    inbox_url: str | None = Field(None, description="The page of a local mail sink; shown under /inbox.")

    api_url: str | None = Field(None, description="For the command line: where /v1 answers.")
    api_token: str | None = Field(None, description="For the command line: a bearer token.")
    secret: str | None = Field(None, description="Signs the API's tokens; the same for every service.")
    open: bool = Field(default=False, description="On loopback only: answer without a token.")

    topic_prefix: str = Field("", description="Before every topic's name; lets one broker serve many systems.")
    log_level: str = "INFO"

    def service_database_url(self, service: str) -> str:
        """The connection string of a service's database: its own, else the common one."""
        own: str | None = getattr(self, f"{service}_database_url")
        return own or require_setting(self.database_url, "database_url")


def require_setting(value: str | None, name: str) -> str:
    """``value``, or an error that names the variable to set."""
    if not value:
        raise MissingSettingError(name)
    return value


class MissingSettingError(Exception):
    """A setting that this process needs is not in its environment."""

    def __init__(self, name: str) -> None:
        variable = f"TIDEMARK_{name.upper()}"
        super().__init__(f"{variable} is not set. Set it in the environment (see `tidemark env`).")
