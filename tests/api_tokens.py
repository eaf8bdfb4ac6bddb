"""The secret and the tokens of the tests."""

from datetime import UTC, datetime

from tidemark_shared.http.tokens import Role, issue_token

SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - signs the tokens of the tests


def create_token(role: Role = "admin") -> str:
    """A token of a caller with this role."""
    return issue_token(SECRET, "tester", role, now=datetime.now(UTC))


def bearer(role: Role = "admin") -> dict[str, str]:
    """The headers of a request by a caller with this role."""
    return {"authorization": f"Bearer {create_token(role)}"}
