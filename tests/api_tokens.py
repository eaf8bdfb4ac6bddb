"""The secret and the tokens of the tests."""

from datetime import UTC, datetime
from uuid import UUID

from tidemark_shared.http.tokens import Role, issue_token

SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - signs the tokens of the tests


ORGANIZATION_ID = UUID("00000000-0000-4000-8000-00000000acee")
"""The customer of the tokens with the role customer, unless a test names another."""


def create_token(role: Role = "admin", organization_id: UUID = ORGANIZATION_ID) -> str:
    """A token of a caller with this role."""
    customer = organization_id if role == "customer" else None
    return issue_token(SECRET, "tester", role, now=datetime.now(UTC), organization_id=customer)


def bearer(role: Role = "admin", organization_id: UUID = ORGANIZATION_ID) -> dict[str, str]:
    """The headers of a request by a caller with this role."""
    return {"authorization": f"Bearer {create_token(role, organization_id)}"}
