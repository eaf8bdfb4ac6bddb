"""What several routes need: the started evaluator, and rules and contracts by their references."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from tidemark_notifier.database.query_types import NotifierQueries
from tidemark_notifier.engine.evaluation_cases import EvaluationCase, load_cases
from tidemark_notifier.engine.evaluator import Evaluator
from tidemark_notifier.rules.rule import StoredRule, parse_rule_row
from tidemark_shared.database import Connection, queries
from tidemark_shared.http.problems import Problem

_sql: NotifierQueries = queries("tidemark_notifier")


def _require_started(request: Request) -> None:
    evaluator: Evaluator = request.app.state.evaluator
    if not evaluator.is_started:
        raise Problem(503, "Not ready", "The notifier is still reading contracts. Try again in a moment.")


Started = Annotated[None, Depends(_require_started)]


async def find_rule(connection: Connection, rule_id: UUID | None) -> StoredRule:
    """A rule by id. Raises a 404."""
    row = await _sql.rule(connection, id=rule_id)
    if row is None:
        raise Problem(404, "Rule not found", f"No rule with id {rule_id}.")
    return parse_rule_row(row)


async def find_case(connection: Connection, reference: str) -> EvaluationCase:
    """A contract by id or code, with its rules. Raises a 404, or a 409 if its organization has not been received."""
    id_ = await _sql.contract_id_by_reference(connection, id=_to_uuid(reference), reference=reference)
    if id_ is None:
        raise Problem(404, "Contract not found", f"No contract with id or code {reference!r}.")
    for case in await load_cases(connection, [id_]):
        return case
    raise Problem(
        409, "Contract not ready", "The contract's organization has not been received yet. Try again in a moment."
    )


def _to_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
