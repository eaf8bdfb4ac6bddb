"""Crossings before they happen: consumption says how a balance would change, the notifier what that crosses. Pure."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from tidemark_shared.domain.balances import Balance
from tidemark_shared.domain.bodies import Body


class ChangedBalance(Body):
    """The balance of a contract as it is published, and as it would be."""

    before: Annotated[Balance, Field(description="As it is.")]
    after: Annotated[Balance, Field(description="As it would be.")]


class Crossing(Body):
    """A threshold that a rule would notify of, and whom; where it has several, the furthest that is reached."""

    rule_id: UUID
    rule_name: str
    contract_id: UUID
    contract_code: str
    trigger: str
    subject: Literal["contract", "account", "slice"]
    subject_id: str
    name: str | None
    period_start: date | None
    threshold: str | None
    text: str
    receivers: tuple[str, ...]
