"""Random contracts and their versions, as the contracts service would have made them (C1 to C5 hold, but for drafts).

``choose`` takes one of some options: see :mod:`histories`.
"""

from decimal import Decimal

from event_builders import account, adjustment, contract_event, data_of, rollover, terms, uid
from reference.rules import periods

TEAMS = [uid("team North"), uid("team South")]
# Half an hour of daylight saving, half an hour of offset, midnights that daylight saving skipped (2018, 2026).
ZONES = [
    "Europe/Berlin",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "America/Sao_Paulo",
    "Asia/Beirut",
]
SPANS = [
    ("2026-01-31", "2026-05-30"),
    ("2026-03-28", "2026-04-27"),
    ("2026-05-20", "2026-09-19"),
    ("2018-10-04", "2019-02-03"),
    ("2025-12-31", "2026-02-28"),
]
SUPPORT, DESIGN, OPS = (uid(f"account {name}") for name in ("Support", "Design", "Ops"))
# Accounts added, removed, renamed; names swapped; a name that is another account's id.
LAYOUTS = [
    [(SUPPORT, "Support", True)],
    [(SUPPORT, "Support", True), (DESIGN, "Design", True)],
    [(SUPPORT, "Support", True), (DESIGN, "Design", False)],
    [(DESIGN, "Support", True), (SUPPORT, "Design", True)],
    [(SUPPORT, "Support", False), (DESIGN, "Design", True), (OPS, "Ops", True)],
    [(DESIGN, "Design", True), (OPS, "Ops", False)],
    [(SUPPORT, "Help", True), (OPS, SUPPORT, True)],
]
CHOICES = {
    "type": ["time_and_materials", "fixed_price", "fixed_price"],
    "recurrence": ["monthly", "monthly", "none"],
    "timezone": ZONES,
    "holidays": ["DE-BE", None, "US"],
    "currency": [*["EUR"] * 6, "JPY"],
    "layout": LAYOUTS,
    "hours": [["40", "10.25", "8"], ["0.5", "0.01", "0"], ["2", "1", "0"]],
    "values": [[100_000, 333, 1], [1, 50, 0], [900, 1800, 0]],
    "teams": ["none", "slices", "teams", "one slice"],
    "rollover": [
        None,
        rollover("carry"),
        rollover("carry", "deduct", lapse=1),
        rollover(overrun="deduct"),
        {"cap": ("12.5", 150), "lapse": None},
        {"cap": ("0.25", 40), "lapse": 2},
    ],
    "adjustments": ["none", "none", "more", "less", "not billable"],
    "settle_days": [5, 0, 60],
}
# Work of drafts and what they leave out.
LEFT_OUT = [(), (), ("contracted_hours", "contracted_value_minor", "currency")]

LIFE = {
    "DRAFT": [*["activated"] * 9, "revised", "revised", "discarded"],
    "ACTIVE": [*["amended"] * 6, "suspended", "suspended", "expired", "closed"],
    "INACTIVE": [*["resumed"] * 4, "amended", "closed"],
    "EXPIRED": ["amended", "closed"],
    "CLOSED": [],
    None: [],
}
STATUS = {"activated": "ACTIVE", "suspended": "INACTIVE", "resumed": "ACTIVE", "expired": "EXPIRED", "closed": "CLOSED"}
OCCURRED = ["2026-01-05T10:00:00Z", "2026-05-26T23:30:00Z"]


def contract_streams(choose):
    """One contract or two; the code of a discarded draft may be another's; one code is the other's id."""
    spans = [choose(SPANS)] * 4 + [choose(SPANS)]
    streams = [contract_stream(choose, "one", "C1", spans)]
    if choose([True, False]):
        discarded = data_of(streams[0][-1])["status"] is None
        code = "C1" if discarded else choose(["C2", "C2", uid("contract one")])
        streams.append(contract_stream(choose, "two", code, spans))
    return streams


def names_of(stream):
    """The references by which a link may name a contract."""
    return data_of(stream[0])["contract_id"], data_of(stream[0])["terms"]["code"]


def contract_stream(choose, name, code, spans):
    """A contract's life, as the contracts service decides it."""
    choices = {**CHOICES, "span": spans}
    shape = {key: choose(options) for key, options in choices.items()}
    status, stream, longest = "DRAFT", [], choose([5, 4, 3, 8, 1])
    body = shaped(choose, code, shape)
    draft = {**body, **dict.fromkeys(choose(LEFT_OUT))}
    stream.append(contract_event(1, status, change="drafted", contract=uid(f"contract {name}"), terms=draft))
    while LIFE[status] and len(stream) < longest:
        change, previous = choose(LIFE[status]), status
        if change in {"amended", "revised"}:
            changed = [choose(list(choices)), choose(list(choices))]
            shape = {**shape, **{key: choose(choices[key]) for key in changed}}
            body = shaped(choose, code, shape)
        if change == "amended" and previous == "EXPIRED":
            status = choose(["ACTIVE", "EXPIRED"])
        status = None if change == "discarded" else STATUS.get(change, status)
        stream.append(
            contract_event(
                len(stream) + 1, status, change=change, contract=uid(f"contract {name}"), previous=previous, terms=body,
                occurred=choose(OCCURRED),
            )
        )  # fmt: skip
    return stream


def shaped(choose, code, shape):
    """The terms of a shape: C1 to C3 hold, adjustments name what there is and take no plan below zero."""
    fixed, (start, end) = shape["type"] == "fixed_price", shape["span"]
    accounts = [
        shaped_account(shape, id_, name, billable, hours, value)
        for (id_, name, billable), hours, value in zip(shape["layout"], shape["hours"], shape["values"], strict=False)
    ]
    billable = [account for account in accounts if account["billable"]]
    body = terms(
        code, accounts=accounts, start=start, end=end, recurrence=shape["recurrence"], timezone=shape["timezone"],
        hours=None if fixed else str(sum(Decimal(account["planned_hours"]) for account in billable)),
        value=sum(account["planned_value_minor"] for account in billable) if fixed else None,
        currency=shape["currency"] if fixed else None, holidays=shape["holidays"], settle_days=shape["settle_days"],
    )  # fmt: skip
    monthly = shape["recurrence"] == "monthly"
    return {
        **body,
        "rollover": shaped_rollover(shape) if monthly else None,
        "adjustments": drawn_adjustments(choose, body, shape),
    }


def shaped_account(shape, id_, name, billable, hours, value):
    fixed, teams = shape["type"] == "fixed_price", shape["teams"]
    half = Decimal(hours) / 2
    first = half.quantize(Decimal("0.01"))
    shares = {"slices": [first, Decimal(hours) - first], "one slice": [Decimal(hours)]}.get(teams, [])
    slices = [(team, None if fixed else str(share)) for team, share in zip(TEAMS, shares, strict=False)]
    return account(
        name, None if fixed else hours, value=value if fixed else None, id_=id_, billable=billable, slices=slices,
        teams=TEAMS[::-1] if teams in {"teams", "slices"} else [],
    )  # fmt: skip


def shaped_rollover(shape):
    """A cap is of the contract's own type."""
    policy = shape["rollover"]
    if policy is None or "cap" not in policy:
        return policy
    cap_hours, cap_value = policy["cap"]
    cap = {"cap_value": cap_value} if shape["type"] == "fixed_price" else {"cap_hours": cap_hours}
    return rollover("carry", "deduct", **cap, lapse=policy["lapse"])


def drawn_adjustments(choose, body, shape):
    billable = shape["adjustments"] != "not billable"
    adjustable = [account for account in body["accounts"] if account["billable"] == billable]
    if shape["adjustments"] == "none" or not adjustable:
        return []
    adjusted, (start, _) = adjustable[-1], choose(periods(body))
    if shape["type"] == "fixed_price":
        amount = {"value": -adjusted["planned_value_minor"] if shape["adjustments"] == "less" else 777}
    else:
        amount = {"hours": str(-Decimal(adjusted["planned_hours"])) if shape["adjustments"] == "less" else "20.25"}
    return [adjustment(adjusted["id"], str(start), **amount)]
