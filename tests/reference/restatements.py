"""Restatements (W7, SPEC 9): the facts replayed one at a time."""

from itertools import product

from reference.facts import DELETED, LINKED, ORGANIZATION, RATE_CARD, RECORDED, TEAM
from reference.reports import Model, contract_columns, period_columns
from reference.rules import periods


def restatements(facts, moment=None):
    """The rows of ``reporting.restatements``: in the order learned, then by contract, account and period."""
    rows, learned, settled = [], [], {}
    before = Model([])
    for fact in facts:
        if moment is not None and fact.learned_at > moment:
            continue
        for cause, change in split_by_cause(before, fact):
            after = Model([*learned, change])
            settle(settled, before, fact.learned_at)
            rows += restatement_rows(before, after, cause, fact.learned_at, settled)
            before = after
        learned.append(fact)
    return rows


def split_by_cause(before, fact):
    """The causes in a record, each with its change. A team has one for each person, in the order of their ids."""
    data = fact.data
    if fact.type in {RECORDED, DELETED}:
        return [(f"worklog:{fact.source}/{data['worklog_id']}", fact)]
    if fact.type == LINKED:
        return [(f"issue:{fact.source}/{data['issue_id']}", fact)]
    if fact.type == RATE_CARD:
        return [(f"rate_card:{data['id']}", fact)]
    if fact.type == TEAM:
        old, new = members_of(before.teams.get(data["id"])), members_of(data)
        persons = sorted({member["person_id"] for member in [*old, *new]}, key=str.encode)
        return [
            (f"membership:{data['id']}/{person}", fact._replace(data={**data, "deleted": False, "members": members}))
            for person in persons
            for members in [
                [member for member in new if member["person_id"].encode() <= person.encode()]
                + [member for member in old if member["person_id"].encode() > person.encode()]
            ]
        ]
    if fact.type == ORGANIZATION:
        return []
    return [(f"contract:{data['stream_version']}", fact)]


def members_of(team):
    return [] if team is None or team.get("deleted") else team["members"]


def settle(settled, model, moment):
    """Add the periods that are closed at a moment: contract and first day, with the last day. Once settled, for ever."""
    for contract_id, contract in model.contracts_by_id.items():
        for start, end in periods(contract["terms"]):
            if (contract_id, start) in settled or model.is_closed(contract, end, moment):
                settled[contract_id, start] = end


def restatement_rows(before, after, cause, moment, settled):
    """One row for each account and settled period whose figure the change altered."""
    for contract_id, contract in before.contracts_by_id.items():
        closed_periods = sorted((start, end) for (id_, start), end in settled.items() if id_ == contract_id)
        terms = (model.contracts_by_id[contract_id]["terms"] for model in (before, after) if closed_periods)
        account_ids = sorted({account["id"] for version in terms for account in version["accounts"]})
        for account_id, days in product(account_ids, closed_periods):
            old, new = (model.figure(contract_id, account_id, days[0]) for model in (before, after))
            # A change between hours and money without any consumption is no change of the figure.
            if (old[0], old[1] or 0) != (new[0], new[1] or 0):
                yield {
                    **contract_columns(contract),
                    "account_id": account_id,
                    **period_columns(days),
                    "before_seconds": old[0],
                    "after_seconds": new[0],
                    "before_amount_minor": old[1],
                    "after_amount_minor": new[1],
                    "cause": cause,
                    "restated_at": moment,
                }
