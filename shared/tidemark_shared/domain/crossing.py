"""A crossing before it happens: the notifier finds it, and the answer to a check of a worklog has it. Pure."""

from datetime import date
from typing import Literal
from uuid import UUID

from tidemark_shared.domain.bodies import Body


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
