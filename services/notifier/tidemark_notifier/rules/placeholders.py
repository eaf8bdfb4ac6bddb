"""The placeholders of a rule's own subject and opening: names in braces, no logic."""

import re

from pydantic_core import PydanticCustomError

PLACEHOLDERS = (
    "contract_code", "contract_name", "organization", "account", "team", "subject", "period", "start_date", "end_date",
    "days_left", "status", "headline", "reason", "threshold", "percent", "consumed", "planned", "available",
    "remaining", "not_counted", "exhausts_on",
)  # fmt: skip

_BRACED = re.compile(r"\{([^{}]*)\}")


def require_known_placeholders(text: str) -> str:
    """Check that a text uses no other placeholders."""
    unknown = [name for name in _BRACED.findall(text) if name not in PLACEHOLDERS]
    if unknown:
        raise PydanticCustomError(
            "invalid",
            "{unknown} is not a placeholder. Use one of {placeholders}.",
            {"unknown": "{" + unknown[0] + "}", "placeholders": ", ".join(PLACEHOLDERS)},
        )
    return text


def fill_placeholders(text: str, values: dict[str, str]) -> str:
    """Replace each placeholder once. Braces in a value are plain text."""
    return _BRACED.sub(lambda match: values[match[1]], text)
