"""Which contract and account an issue belongs to. Pure."""

from fnmatch import fnmatchcase
from hashlib import sha256
from typing import NamedTuple

from tidemark_intake.configuration import Source
from tidemark_intake.facts import Issue


class Link(NamedTuple):
    """A contract and account by code or id and name or id; None where an issue names none. ``why`` for people."""

    contract: str | None
    account: str | None
    why: str


def link_issue(issue: Issue, source: Source) -> Link:
    """The link by the issue's own fields, else by the first rule that matches, else none.

    An account that the issue names itself comes before that of a rule.
    """
    contract, account = _first(issue, source.contract_field), _first(issue, source.account_field)
    if contract:
        return Link(contract, account, f"the field {source.contract_field}")
    for number, rule in enumerate(source.rule, 1):
        if all(_matches(issue, attribute, pattern) for attribute, pattern in rule.match.items()):
            return Link(rule.contract, account or rule.account, f"rule {number}")
    return Link(None, None, "no field and no rule")


def digest_links(source: Source) -> str:
    """What decides about links. When it changes, all issues are linked again."""
    rules = [(rule.contract, rule.account, sorted(rule.match.items())) for rule in source.rule]
    return sha256(repr((source.contract_field, source.account_field, rules)).encode()).hexdigest()


def _first(issue: Issue, attribute: str | None) -> str | None:
    values = issue.attributes.get(attribute, ()) if attribute else ()
    return values[0] if values else None


def _matches(issue: Issue, attribute: str, pattern: str) -> bool:
    values = (issue.key or "",) if attribute == "key" else issue.attributes.get(attribute, ())
    if attribute == "jql":
        return pattern in values
    return any(fnmatchcase(value.casefold(), pattern.casefold()) for value in values)
