"""Draft validation: read a contract's body, and collect every type error in it.

A request gets all its violations at once (SPEC 1), those of types and those of rules together. So each value with a
type error is replaced by a valid placeholder: the rules can check the rest, and report nothing about the placeholder.
"""

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Annotated, Any
from uuid import NAMESPACE_OID, UUID, uuid5

from pydantic import Field, GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, core_schema

from tidemark_shared.domain.bodies import Contract, Text
from tidemark_shared.domain.strict_input import StrictAdapter
from tidemark_shared.http.problems import Violation, json_pointer, to_violations

ReasonText = Annotated[Text, Field(min_length=1)]


class Amendment(Contract):
    """The whole contract after the amendment, and the reason for it (SPEC C6)."""

    reason: ReasonText


@dataclass(frozen=True)
class ContractInput:
    """The terms of a request. Where :attr:`type_errors` names a path, the terms hold a placeholder."""

    terms: Contract
    reason: str | None = None
    type_errors: tuple[Violation, ...] = ()
    unknown_fields: tuple[Violation, ...] = ()

    def has_type_error(self, *paths: str) -> bool:
        """Whether there is a type error above, at or below one of the paths."""
        return any(
            _is_within(error.path, path) or _is_within(path, error.path) for error in self.type_errors for path in paths
        )

    def without_placeholders(self, violations: Iterable[Violation]) -> list[Violation]:
        """The violations that do not concern a placeholder."""
        return [
            violation
            for violation in violations
            if not any(_is_within(violation.path, error.path) for error in self.type_errors)
        ]

    def with_account_ids(self, previous: Contract | None, new_id: Callable[[], UUID]) -> "ContractInput":
        """Give every account an id: its own, else that of the previous account with its name, else a new one.

        An id that is sent again keeps its account (SPEC 9). A client that leaves ids out means the same accounts.
        """
        sent = {account.id for account in self.terms.accounts}
        id_by_name = (
            {account.name: account.id for account in previous.accounts if account.id not in sent} if previous else {}
        )
        accounts = tuple(
            account if account.id else account.model_copy(update={"id": id_by_name.pop(account.name, None) or new_id()})
            for account in self.terms.accounts
        )
        return replace(self, terms=self.terms.model_copy(update={"accounts": accounts}))


def _is_within(path: str, ancestor: str) -> bool:
    return path == ancestor or path.startswith(ancestor + "/")


class _ParsedAs:
    """Make pydantic parse a model into a :class:`ContractInput`, and document it as the model."""

    def __init__(self, model: type[Contract]) -> None:
        self._model = model

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        adapter: StrictAdapter[Contract] = StrictAdapter(self._model)
        return core_schema.no_info_wrap_validator_function(
            lambda body, _: _parse(body, adapter), handler.generate_schema(self._model)
        )


ContractBody = Annotated[ContractInput, _ParsedAs(Contract)]
AmendmentBody = Annotated[ContractInput, _ParsedAs(Amendment)]


def _parse(body: Any, adapter: StrictAdapter[Contract]) -> ContractInput:
    try:
        return _contract_input(adapter.validate(body))
    except ValidationError as error:
        errors = error.errors(include_url=False)
        if any(not item["loc"] for item in errors):
            raise
        type_errors = [item for item in errors if item["type"] != "unknown_field"]
        contract = adapter.validate_known(_with_placeholders(body, [item["loc"] for item in type_errors]))
        return replace(
            _contract_input(contract),
            type_errors=tuple(_with_rule_code(violation, body) for violation in to_violations(type_errors)),
            unknown_fields=tuple(to_violations([item for item in errors if item["type"] == "unknown_field"])),
        )


def parse_contract(body: dict[str, Any]) -> ContractInput:
    """Parse a contract's body, whatever errors it has."""
    return _contract_body.validate_python(body)


def _with_rule_code(violation: Violation, body: dict[str, Any]) -> Violation:
    """A missing date violates a rule, not a type (SPEC C4)."""
    if violation.path in ("/start_date", "/end_date") and body.get(violation.path[1:]) is None:
        return Violation(
            code="C4.dates", path=violation.path, message="A contract needs a start date and an end date. Enter both."
        )
    return violation


def _contract_input(contract: Contract) -> ContractInput:
    # Terms leave the reason out, so that equal bodies compare as equal.
    return ContractInput(Contract(**dict(contract)), getattr(contract, "reason", None))


def _with_placeholders(body: dict[str, Any], locations: Sequence[tuple[str | int, ...]]) -> dict[str, Any]:
    repaired = deepcopy(body)
    for location in locations:
        parent: Any = repaired
        for part in location[:-1]:
            parent = parent[part]
        parent[location[-1]] = _placeholder(location)
    return repaired


def _placeholder(location: tuple[str | int, ...]) -> object:
    """A value that violates no rule. Names and ids are unique, because they come from the location."""
    member = f"{location[-2]} item" if isinstance(location[-1], int) else location[-1]
    name = json_pointer(*location)
    match member:
        case "code" | "name" | "reason":
            return name
        case "organization_id" | "team_id" | "account_id" | "teams item":
            return str(uuid5(NAMESPACE_OID, name))
        case "accounts item":
            return {"name": name}
        case "slices item":
            return {"team_id": str(uuid5(NAMESPACE_OID, name))}
        case "adjustments item":
            return {"account_id": str(uuid5(NAMESPACE_OID, name)), "period_start": "1970-01-01", "reason": "-"}
        case _:
            # None where null is allowed.
            return _CONSTANT_PLACEHOLDERS.get(member)


_CONSTANT_PLACEHOLDERS = {
    "owner": {"name": "-", "email": "nobody@example.com"},
    "email": "nobody@example.com",
    "type": "time_and_materials",
    "start_date": "1970-01-01",
    "period_start": "1970-01-01",
    "end_date": "2100-12-31",
    "timezone": "UTC",
}
_contract_body: TypeAdapter[ContractInput] = TypeAdapter(ContractBody)
