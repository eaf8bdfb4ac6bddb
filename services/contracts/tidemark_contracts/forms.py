"""A contract's body as it came: its terms, and everything about its types that is wrong.

A refusal lists every violation at once (SPEC 1), those of the types and those of the rules together. So a body
with broken places is read with something sound put there: the rules see the rest, and say nothing of these places.
"""

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Annotated, Any
from uuid import NAMESPACE_OID, UUID, uuid5

from pydantic import Field, GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, core_schema

from tidemark_shared.domain.bodies import Contract, Text
from tidemark_shared.http.problems import Violation, json_pointer, to_violations

Why = Annotated[Text, Field(min_length=1)]


class Amendment(Contract):
    """The whole contract as it shall be from its start, and why (SPEC C6)."""

    reason: Why


@dataclass(frozen=True)
class Form:
    """What a body says. Where :attr:`broken` names a path, the terms hold a stand-in."""

    terms: Contract
    reason: str | None = None
    broken: tuple[Violation, ...] = ()

    def breaks(self, *paths: str) -> bool:
        """Whether a type is wrong above, at or below one of the paths."""
        return any(_within(one.path, path) or _within(path, one.path) for one in self.broken for path in paths)

    def unbroken(self, found: Iterable[Violation]) -> list[Violation]:
        """The violations that are not about a stand-in."""
        return [one for one in found if not any(_within(one.path, broken.path) for broken in self.broken)]

    def with_ids(self, before: Contract | None, fresh: Callable[[], UUID]) -> "Form":
        """Every account gets an id: its own, else that of the account which bears its name, else a ``fresh`` one.

        Account ids sent again keep the account (SPEC 9); a client that leaves them out means the same accounts too.
        """
        sent = {account.id for account in self.terms.accounts}
        known = {account.name: account.id for account in before.accounts if account.id not in sent} if before else {}
        accounts = tuple(
            account if account.id else account.model_copy(update={"id": known.pop(account.name, None) or fresh()})
            for account in self.terms.accounts
        )
        return replace(self, terms=self.terms.model_copy(update={"accounts": accounts}))


def _within(path: str, place: str) -> bool:
    return path == place or path.startswith(place + "/")


class _Reads:
    """Tells pydantic to read a model into a :class:`Form`, and to document the model."""

    def __init__(self, model: type[Contract]) -> None:
        self._model = model

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(_read, handler.generate_schema(self._model))


ContractForm = Annotated[Form, _Reads(Contract)]
AmendmentForm = Annotated[Form, _Reads(Amendment)]


def _read(body: object, validate: Callable[[object], Contract]) -> Form:
    try:
        return _form(validate(body))
    except ValidationError as error:
        if not isinstance(body, dict):
            raise
        errors = error.errors(include_url=False)
        sound = validate(_with_stand_ins(body, [one["loc"] for one in errors]))
        return replace(_form(sound), broken=tuple(_named(one, body) for one in to_violations(errors)))


def read(body: dict[str, Any]) -> Form:
    """A contract's body, whatever is wrong with it."""
    return _contract_form.validate_python(body)


def _named(one: Violation, body: dict[str, Any]) -> Violation:
    """A date that is missing is a rule broken, not a type (SPEC C4)."""
    if one.path in ("/start_date", "/end_date") and body.get(one.path[1:]) is None:
        return Violation(code="C4.dates", path=one.path, message="A contract has a start date and an end date.")
    return one


def _form(read: Contract) -> Form:
    # Without the reason two bodies that say the same are equal.
    return Form(Contract(**dict(read)), getattr(read, "reason", None))


def _with_stand_ins(body: dict[str, Any], places: Sequence[tuple[str | int, ...]]) -> dict[str, Any]:
    mended = deepcopy(body)
    for place in places:
        parent: Any = mended
        for part in place[:-1]:
            parent = parent[part]
        parent[place[-1]] = _stand_in(place)
    return mended


def _stand_in(place: tuple[str | int, ...]) -> object:
    """Something that no rule complains of: each name and id is like no other."""
    kind = f"{place[-2]} item" if isinstance(place[-1], int) else place[-1]
    name = json_pointer(*place)
    match kind:
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
            # None where a null is allowed.
            return _PLAIN.get(kind)


_PLAIN = {
    "owner": {"name": "-", "email": "nobody@example.com"},
    "email": "nobody@example.com",
    "type": "time_and_materials",
    "start_date": "1970-01-01",
    "period_start": "1970-01-01",
    "end_date": "2100-12-31",
    "timezone": "UTC",
}
_contract_form: TypeAdapter[Form] = TypeAdapter(ContractForm)
