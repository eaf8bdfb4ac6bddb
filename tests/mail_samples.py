"""Sample mails, built as they are sent."""

from datetime import UTC, datetime, time, timedelta
from email.header import decode_header, make_header
from uuid import UUID

from api_tokens import SECRET
from snapshots import account_line, make_snapshot

from tidemark_notifier.delivery.mail import build_mail
from tidemark_notifier.delivery.mail_content import MailNotification
from tidemark_notifier.evaluation.addressees import Addressee

HOUR = 3600
OWNER = Addressee(email="olga@provider.example.com", name="Olga", kind="owner")
CUSTOMER = Addressee(email="ann@acme.example.com", name="Ann Ardent", kind="contacts", role="billing")
APPROVER = CUSTOMER.model_copy(update={"role": "approver"})
FORECAST = {"exhausts_on": "2026-03-24", "low": "2026-03-20", "high": "2026-04-02"}
ACCOUNTS = [
    account_line("Help desk", 25 * HOUR, 21 * HOUR),
    account_line("Changes", 15 * HOUR, 11 * HOUR),
    account_line("Coordination", 5 * HOUR, 4 * HOUR, billable=False),
]
OVERRUN_ACCOUNTS = [
    account_line("Help desk", 25 * HOUR, 24 * HOUR),
    account_line("Changes", 15 * HOUR, 18 * HOUR + 1800),
    account_line("Coordination", 5 * HOUR, 4 * HOUR, billable=False),
]
WARNING = make_snapshot(rule_name="Warn at 80 %", forecast=FORECAST, accounts=ACCOUNTS)
OVERRUN = make_snapshot(
    trigger="overrun", threshold=None, consumed=42 * HOUR + 1800, percent="106.25",
    remaining=-2 * HOUR - 1800, accounts=OVERRUN_ACCOUNTS, forecast=dict.fromkeys(FORECAST, "2026-03-14"),
    rule_name="Overrun",
)  # fmt: skip
WHOLE = {
    "period_start": None, "period_end": None, "planned": 480 * HOUR, "available": 480 * HOUR, "consumed": 402 * HOUR,
    "remaining": 78 * HOUR, "percent": "83.75",
    "accounts": [account_line("Help desk", 300 * HOUR, 265 * HOUR), account_line("Changes", 180 * HOUR, 137 * HOUR)],
}  # fmt: skip
EXPIRY = make_snapshot(
    trigger="expires_in_days", threshold="30", days_left=30, rule_name="Ends soon", **WHOLE,
)  # fmt: skip
OFFER = {
    "offer_id": "0199a4d2-7c0e-7f60-8c55-1f1b2f1f3a17", "version": 1, "event": "made", "amount": 20 * HOUR,
    "reason": "Extra package for the migration", "price_minor": 180_000, "price_currency": "EUR", "note": None,
    "valid_until": "2026-03-31T21:59:59Z", "person_name": None, "remark": None, "refusal": None,
}  # fmt: skip
OFFERED = {
    "kind": "offer", "trigger": "offer", "rule_name": None, "rule_version": None, "scope": None, "threshold": None,
    "subject_kind": "account", "account_name": "Help desk", "consumed": 38 * HOUR + 1800,
    "remaining": HOUR + 1800, "percent": "96.25", "accounts": (),
}  # fmt: skip
DIGEST = {
    "day": "2026-03-16", "status": "ACTIVE", "contract_end": "2026-12-31", "planned": 480 * HOUR,
    "consumed": 98 * HOUR, "attention": (), "accounts_over": (),
    "previous": {"day": "2026-03-09", "status": "ACTIVE", "contract_end": "2026-12-31", "planned": 480 * HOUR,
                 "consumed": 92 * HOUR},
}  # fmt: skip
DIGESTED = {"kind": "digest", "trigger": "digest", "threshold": None, "rule_name": "Monday morning", "days_left": 290}
DIGESTS = [
    make_snapshot(
        **DIGESTED, contract_name="Operations", contract_code="NORD-OPS", organization_name="Nordwind",
        consumed=44 * HOUR, remaining=-4 * HOUR, percent="110",
        digest=DIGEST | {"attention": ("over", "account_over", "not_counted"), "accounts_over": ("Reports",)},
        unaccounted_seconds=2 * HOUR,
    ),
    make_snapshot(
        **DIGESTED | {"days_left": 19}, contract_name="Website", contract_code="BLUE-WEB", contract_end="2026-04-04",
        forecast=FORECAST,
        digest=DIGEST | {
            "attention": ("runs_out", "ends_soon"), "planned": 500 * HOUR, "contract_end": "2026-04-04",
        },
    ),
    make_snapshot(**DIGESTED, digest=DIGEST | {"consumed": 92 * HOUR}),
    make_snapshot(**DIGESTED, contract_name="Claims API", contract_code="KEST-DEV", digest=DIGEST | {"previous": None}),
]  # fmt: skip
RESTATED = {
    "trigger": "period_closed", "threshold": None, "rule_name": "Statements", "planned": None, "available": None,
    "consumed": None, "remaining": None, "percent": None, "accounts": (),
    "corrections": [
        {"name": "Help desk", "billable": True, "before": 21 * HOUR, "after": 24 * HOUR + 1800},
        {"name": "Coordination", "billable": False, "before": 4 * HOUR, "after": 5 * HOUR},
    ],
}  # fmt: skip
MAILS = {
    "restated": ([make_snapshot(**RESTATED)], OWNER),
    "restated-german": ([make_snapshot(**RESTATED, locale="de")], CUSTOMER),
    "digest": (DIGESTS, OWNER),
    "digest-german": (
        [
            snapshot.model_copy(update={"locale": "de"})
            for snapshot in DIGESTS[1:]
        ],
        CUSTOMER,
    ),
    "warning": ([WARNING], OWNER),
    "customer": ([WARNING], CUSTOMER),
    "overrun": ([OVERRUN], OWNER),
    "together": (
        [
            OVERRUN.model_copy(
                update={
                    "trigger": "consumed_percent", "rule_name": "Warn at 80 %", "threshold": "100",
                }
            ),
            make_snapshot(
                rule_name="Accounts", subject_kind="account", account_name="Changes", planned=15 * HOUR,
                available=15 * HOUR, consumed=18 * HOUR + 1800, remaining=-3 * HOUR - 1800, percent="123.33",
                accounts=OVERRUN_ACCOUNTS,
            ),
            OVERRUN,
            OVERRUN.model_copy(
                update={
                    "trigger": "forecast_exhausts", "rule_name": "Forecast",
                }
            ),
            EXPIRY.model_copy(
                update={"days_left": 291}
            ),
        ],
        OWNER,
    ),
    "expiry": ([EXPIRY], CUSTOMER),
    "activated": (
        [
            make_snapshot(
                trigger="status_changed", threshold="ACTIVE", rule_name="Status",
                **WHOLE | {
                    "consumed": 0, "remaining": 480 * HOUR, "percent": "0",
                    "accounts": [account_line("Help desk", 300 * HOUR, 0), account_line("Changes", 180 * HOUR, 0)],
                },
            )
        ],
        OWNER,
    ),
    "resolved": (
        [
            make_snapshot(
                kind="resolved", planned=60 * HOUR, available=60 * HOUR, remaining=28 * HOUR, percent="53.33",
                rule_name="Warn at 80 %",
                accounts=[
                    account_line("Help desk", 40 * HOUR, 21 * HOUR), account_line("Changes", 20 * HOUR, 11 * HOUR),
                ],
            )
        ],
        OWNER,
    ),
    "german": (
        [
            make_snapshot(
                locale="de", contract_name="Wartung 2026", trigger="overrun", threshold=None, consumed=42 * HOUR + 1800,
                percent="106.25", remaining=-2 * HOUR - 1800, forecast=dict.fromkeys(FORECAST, "2026-03-14"),
                owner_name="Olga Ortmann",
                accounts=[
                    account_line("Hotline", 25 * HOUR, 24 * HOUR),
                    account_line("Änderungen", 15 * HOUR, 18 * HOUR + 1800),
                ],
            )
        ],
        CUSTOMER,
    ),
    "offer": ([make_snapshot(**OFFERED, offer=OFFER)], APPROVER),
    "offer-german": (
        [
            make_snapshot(
                **OFFERED | {"kind": "reminder", "account_name": "Hotline"},
                locale="de", contract_name="Wartung 2026", owner_name="Olga Ortmann",
                offer=OFFER | {"reason": "Zusatzpaket für den Umzug", "note": "Abruf nach Bedarf, auch am Wochenende."},
            )
        ],
        APPROVER,
    ),
    "offer-accepted": (
        [
            make_snapshot(
                **OFFERED | {
                    "planned": 60 * HOUR, "available": 60 * HOUR, "remaining": 21 * HOUR + 1800, "percent": "64.17",
                },
                offer=OFFER | {
                    "event": "accepted", "version": 2, "person_name": "Ann Ardent", "remark": "Please start on Monday.",
                },
            )
        ],
        OWNER,
    ),
    "fixed-price": (
        [
            make_snapshot(
                contract_code="ACME-WEB", contract_name="Web shop", unit="minor", currency="EUR", planned=2_500_000,
                available=2_500_000, consumed=2_081_250, remaining=418_750, percent="83.25", period_start=None,
                period_end=None,
                accounts=[account_line("Design", 800_000, 812_500), account_line("Build", 1_700_000, 1_268_750)],
                opening="Dear Acme,\nthe budget of your web shop is almost used up.",
            )
        ],
        CUSTOMER,
    ),
}  # fmt: skip


def build_sample(snapshots, addressee):
    """The mail of snapshots that were raised together."""
    raised_on = snapshots[0].contract_end - timedelta(days=snapshots[0].days_left)
    return build_mail(
        [
            MailNotification(UUID(int=UUID("01a201b4-4c9f-7a37-97e1-3be94b419d00").int + number), snapshot, addressee)
            for number, snapshot in enumerate(snapshots)
        ],
        message_id=UUID("01a201b4-4c9f-7a37-97e1-3be94b419d9d"),
        raised_at=datetime.combine(raised_on, time(9, 30), UTC),
        sender="Tidemark <tidemark@provider.example.com>",
        public_url="https://tidemark.example.com",
        secret=SECRET,
    )


def render_html(snapshots, addressee):
    """The HTML part of the mail."""
    return build_sample(snapshots, addressee).get_payload(1).get_payload(decode=True).decode()


def render_text(snapshots, addressee):
    """The text part of the mail, below its subject."""
    mail = build_sample(snapshots, addressee)
    text = mail.get_payload(0).get_payload(decode=True).decode()
    return f"Subject: {make_header(decode_header(mail['Subject']))}\n\n{text}"
