"""The HTTP API for the command line: its address and token come from the settings, its errors say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from tidemark_client import Client, TidemarkError, UnreachableError
from tidemark_shared.settings import Settings, require_setting

_START_HINT = " Start Tidemark, or set TIDEMARK_API_URL."
_ACCESS_HINT = " The token comes from TIDEMARK_API_TOKEN. `tidemark token create NAME --role manager` creates one."


@contextmanager
def open_api(settings: Settings) -> Iterator[Client]:
    """A client of the API. Raises a :class:`TidemarkError` with a remedy."""
    with Client(require_setting(settings.api_url, "api_url"), settings.api_token) as client:
        try:
            yield client
        except UnreachableError as error:
            raise TidemarkError(f"{error}{_START_HINT}") from None
        except TidemarkError as error:
            if error.status not in (401, 403):
                raise
            raise TidemarkError(f"{error}{_ACCESS_HINT}", error.violations, error.status) from None
