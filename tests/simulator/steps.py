"""The schedule of a seed: what people, trackers, the clock and faults do. It does not depend on what comes of it."""

import random
from typing import NamedTuple

ZONES = ["Europe/Berlin", "America/St_Johns", "Asia/Beirut", "America/Sao_Paulo", "Pacific/Auckland", "UTC"]
# Around the changes of daylight saving time, and from the last day of a month.
SPANS = [
    ("2026-01-31", "2026-05-30"),
    ("2026-03-01", "2026-04-30"),
    ("2026-03-28", "2026-06-27"),
    ("2026-10-01", "2026-12-31"),
    ("2018-10-04", "2018-12-03"),
]
ENDS = [-1, 0, 0, 30, 45, -20]
TRIGGERS = [
    *({"kind": "consumed_percent", "at": at} for at in (["80"], ["50", "80", "100"], ["25", "99.9999", "120"])),
    *({"kind": "remaining_hours", "at": at} for at in (["8"], ["0", "2.5"])),
    {"kind": "overrun"},
    {"kind": "expires_in_days", "at": [30, 7, 0]},
    {"kind": "expires_in_days", "at": [60]},
    {"kind": "expired"},
    *({"kind": "status_changed", "to": to} for to in ("ACTIVE", "INACTIVE", "EXPIRED")),
    {"kind": "unaccounted_work", "at": ["1"]},
    {"kind": "forecast_exhausts", "before_end": True},
    {"kind": "forecast_exhausts", "within_days": 5},
]
LIMITS = ("consumed_percent", "remaining_hours", "overrun")
HOURS = ["10", "8", "2.5"]
SECONDS = [3600, 7200, 28_800, 28_799, 1, 18_000, 36_000]
COMMANDS = [*["amended"] * 6, "suspended", "suspended", "resumed", "resumed", "activated", "closed", "revised"]
AMENDMENTS = [
    *({"end": days} for days in ENDS), *({"hours": hours} for hours in (*HOURS, "0")), {"zone": "UTC"},
    {"zone": "America/St_Johns"}, {"name": "Renamed"}, {"accounts": "1"}, {},
]  # fmt: skip
UPDATED = range(9)
WEEKDAYS = ["monday", "wednesday", "sunday"]
# What the mail server answers, or what happens to the process that sends.
ANSWERS = [
    *["accepts"] * 3, "later", "later", "asks for ten minutes", "refuses", "process dies before it",
    "process dies after it",
]  # fmt: skip
PROCESSES = ["contracts", "consumption", "notifier"]
TOPICS = {
    "consumption": ["contracts.lifecycle", "worklog.events"],
    "notifier": ["contracts.lifecycle", "consumption.balances"],
}
ROLLOVERS = [
    None,
    None,
    {"unused": "carry", "overrun": "absorb"},
    {"unused": "carry", "overrun": "deduct", "cap_hours": "4"},
    {"unused": "carry", "overrun": "absorb", "lapse_after_periods": 1},
    {"unused": "carry", "overrun": "absorb", "cap_hours": "12", "lapse_after_periods": 2},
    {"unused": "expire", "overrun": "deduct"},
]


class Step(NamedTuple):
    """One step of a schedule."""

    kind: str
    values: dict

    def __str__(self):
        """What is not said is the usual."""
        values = [
            f"{name}={value}"
            for name, value in self.values.items()
            if value is not None and value is not False and value != ""
        ]
        return " ".join([self.kind, *values])


class Schedule(NamedTuple):
    """A contract as it is drafted, and the steps from then on."""

    zone: str
    span: tuple
    hours: str
    rollover: dict | None
    steps: list

    def __str__(self):
        return f"a contract from {self.span[0]} to {self.span[1]} in {self.zone}, {self.hours} h, {self.rollover}"


def draw_schedule(seed, max_steps=40):
    """The schedule of a seed."""
    draw = random.Random(seed)
    choose = draw.choice
    digest = [Step("digest", _digest(choose))] * choose([0, 1, 1])
    start = [
        *digest, *(Step("rule", {"scope": "global", "name": name, **_rule(choose)}) for name in "ABC"),
        Step("command", {"type": "activated"}), Step("link", {"to": "C1", "updated": 0}), Step("run", {}),
    ]  # fmt: skip
    steps = [_step(choose) for _ in range(draw.randint(max_steps // 3, max_steps))]
    if choose([True, False, False]):
        number = draw.randrange(len(steps))
        steps[number:number] = _renewal(choose)
    if choose([True, False, False, False]):
        number = draw.randrange(len(steps))
        steps[number:number] = _second_crossing(choose)
    return Schedule(choose(ZONES), choose(SPANS), choose(HOURS), choose(ROLLOVERS), [*start, *steps])


def _renewal(choose):
    """The contract ends, and work goes on with its renewal."""
    return [
        Step("command", {"type": "amended", "end": choose([-1, 0, 2])}),
        Step("renew", {"contract": 0, "code": "C2", "is_activated": True}),
        *[Step("command", {"type": "amended", "contract": -1, "zone": choose(ZONES)})] * choose([0, 1]),
        Step("wait", {"to_end": choose([0, 3600])}), Step("link", {"to": "C2", "updated": 8}),
        Step("work", _work(choose)), Step("run", {}),
    ]  # fmt: skip


def _second_crossing(choose):
    """A limit is crossed, resolved, and crossed again after a restart of the notifier."""
    rule = _rule(choose) | {
        "trigger": {"kind": "overrun", "of": choose(["contract", "account"]), "over": choose(["period", "whole"])},
        "notify_resolved": True,
    }
    work, run = {"id": "return", "seconds": 180_000, "days_ago": 0, "at": "09:00:00"}, Step("run", {})
    return [
        Step("rule", {"scope": "contract", "name": "A", **rule}),
        Step("work", {**work, "updated": 0}), run, Step("delete", {"id": "return", "updated": 1}), run,
        Step("crash", {"process": "notifier"}), Step("work", {**work, "updated": 2}), run,
        *[Step("delete", {"id": "return", "updated": 3})] * choose([0, 1]),
    ]  # fmt: skip


def _rule(choose):
    trigger = dict(choose(TRIGGERS))
    if trigger["kind"] in LIMITS:
        trigger |= {"of": choose(["contract", "contract", "account"]), "over": choose(["period", "period", "whole"])}
    return {
        "trigger": trigger,
        "remind_every_days": choose([None, None, 1, 3]),
        "notify_resolved": choose([False, True]),
        "existing": choose(["notify", "notify", "skip"]),
    }


def _digest(choose):
    return {
        "scope": choose(["global", "global", "contract"]),
        "every": choose(["week", "week", "month"]),
        "on": choose(WEEKDAYS),
    }


def _contract(choose):
    """The first contract, or the newest."""
    return choose([0, 0, -1])


def _wait(choose):
    """Some time, the edge of a day, or rarely the end of the contract."""
    hours, seconds = {"hours": choose([1, 5, 30])}, {"seconds": choose([5, 15, 60])}
    edge = {"days": choose([0, 0, 1, 6, 29]), "after_midnight": choose([-1, 0, 1])}
    to_end = {"to_end": choose([-1, 0, 1, 3600]), "contract": _contract(choose)}
    return choose([hours, hours, seconds, *[edge] * 4, choose([edge, edge, to_end])])


def _work(choose):
    return {
        "id": choose("1234567890"), "seconds": choose(SECONDS), "days_ago": choose([0, 0, 0, 1, 7, 31]),
        "updated": choose(UPDATED), "at": choose(["09:00:00", "00:00:00", "23:59:59", "02:30:00"]),
    }  # fmt: skip


def _command(choose):
    type_ = choose(COMMANDS)
    change = choose(AMENDMENTS) if type_ in ("amended", "revised") else {}
    return {
        "type": type_,
        "contract": _contract(choose),
        **change,
        "fate": choose(["", "", "", "", "lost", "repeated", "raced"]),
    }


def _deliver(choose):
    process = choose(PROCESSES[1:])
    return {
        "to": process, "topic": choose(TOPICS[process]), "count": choose([1, 1, 2, 5]),
        "is_crashing": choose([False, False, True]),
    }  # fmt: skip


def _again(choose):
    process = choose(PROCESSES[1:])
    return {"to": process, "topic": choose(TOPICS[process]), "number": choose(range(20))}


STEPS = {
    "work": (10, _work),
    "wait": (8, _wait),
    "run": (10, lambda _: {}),
    "command": (4, _command),
    "deliver": (5, _deliver),
    "again": (3, _again),
    "reject": (1, lambda _: {}),
    "replay": (1, lambda _: {}),
    "tick": (4, lambda choose: {"process": choose(PROCESSES)}),
    "crash": (1, lambda choose: {"process": choose(PROCESSES)}),
    # The process dies between the acknowledgement and the removal of the record: it is published twice.
    "publish": (1, lambda choose: {"process": choose(PROCESSES[:2]), "is_crashing": True}),
    "clock": (1, lambda choose: {"seconds": choose([-7200, -1, 3600, 86_400, -86_400])}),
    "delete": (1, lambda choose: {"id": choose("1234567890"), "updated": choose(UPDATED)}),
    "link": (1, lambda choose: {"to": choose(["C1", "C1", "C1", "C2", None]), "updated": choose(UPDATED)}),
    "rule": (1, lambda choose: {"scope": choose(["global", "contract"]), "name": choose("ABC"), **_rule(choose)}),
    "digest": (1, _digest),
    "renew": (
        1,
        lambda choose: {
            "contract": _contract(choose), "code": choose(["C2", "C2", "C3", "C1"]),
            "is_activated": choose([True, True, False]),
        },
    ),
    "server": (2, lambda choose: {"answer": choose(ANSWERS)}),
    "send": (2, lambda choose: {"rounds": choose([1, 2, 12]), "seconds": choose([4, 20, 3600])}),
    "offer": (
        2,
        lambda choose: {
            "contract": _contract(choose), "hours": choose(["2", "20", "-1", "-20"]), "period": choose([0, 1, 2]),
            "days": choose([None, 1]),
        },
    ),
    "answer": (
        2,
        lambda choose: {
            "contract": _contract(choose), "offer": choose([0, 1]),
            "answer": choose(["accepted", "accepted", "declined", "withdrawn"]), "times": choose([1, 2]),
        },
    ),
}  # fmt: skip
"""How often a kind of step is drawn, and what of it."""
_KINDS = [kind for kind, (share, _) in STEPS.items() for _ in range(share)]


def _step(choose):
    kind = choose(_KINDS)
    return Step(kind, STEPS[kind][1](choose))
