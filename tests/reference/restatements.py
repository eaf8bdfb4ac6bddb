"""Restatements and statements (W7, SPEC 9, 10): the facts replayed one at a time."""

from itertools import product

from reference.facts import DELETED, LINKED, ORGANIZATION, RATE_CARD, RECORDED, TEAM
from reference.reports import Model, contract_columns, period_columns
from reference.rules import periods


def restatements(facts):
    """The rows of ``reporting.restatements``: in the order learned, then by contract, account and period."""
    return settlements(facts)[0]


def settlements(facts, until=None):
    """The restatements, and what each settled period came to, by contract and first day: see :func:`period_body`."""
    rows, learned, settled, statements = [], [], {}, {}
    before = Model([])
    for fact in facts:
        for cause, change in split_by_cause(before, fact):
            after = Model([*learned, change])
            settle(settled, statements, before, fact.learned_at)
            rows += restatement_rows(before, after, cause, fact.learned_at, settled)
            before = after
        learned.append(fact)
    if until:
        settle(settled, statements, before, until)
    return rows, statements


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


def settle(settled, statements, model, moment):
    """Add the periods that are closed at a moment, with their last day and figures. Once settled, for ever."""
    for contract_id, contract in model.contracts_by_id.items():
        for start, end in periods(contract["terms"]):
            key = contract_id, start
            if key not in settled and model.is_closed(contract, end, moment):
                statements[key] = period_body(model, contract_id, start)
            if key in statements:
                settled[key] = end


def period_body(model, contract_id, start):
    """The figures of a period as a balance has them: of the contract, its accounts and their slices."""
    balance = model.balance(contract_id)
    [figures] = [period for period in balance["periods"] if period["start"] == str(start)]
    return {
        "figures": figures,
        "accounts": [
            {
                **account_figures(account, start),
                "account_id": account["account_id"],
                "name": account["name"],
                "billable": account["billable"],
                "slices": [
                    {**account_figures(slice_, start), "team_id": slice_["team_id"]}
                    for slice_ in account["slices"]
                    if any(period["start"] == str(start) for period in slice_["periods"])
                ],
            }
            for account in balance["accounts"]
        ],
    }


def account_figures(account, start):
    """The figures of one period of an account or slice, without its days."""
    [figures] = [period for period in account["periods"] if period["start"] == str(start)]
    return {name: value for name, value in figures.items() if name not in {"start", "end"}}


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
