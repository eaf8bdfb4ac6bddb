"""A mail as it is built, and its parts."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from uuid import UUID

from api_tokens import SECRET
from notifier_bodies import uid
from snapshots import make_snapshot

from tidemark_notifier.delivery.mail import build_mail
from tidemark_notifier.delivery.mail_content import MailNotification
from tidemark_notifier.evaluation.addressees import Addressee

OWNER = Addressee(email="olga@provider.example.com", name="Olga", kind="owner")
CUSTOMER = Addressee(email="ann@acme.example.com", name="Ann", kind="contacts", role="billing")
RAISED_AT = datetime(2026, 3, 15, 9, 30, tzinfo=UTC)
NOTIFICATION, MESSAGE = UUID(uid("notification")), UUID(uid("message"))
FORECAST = {"exhausts_on": "2026-03-24", "low": "2026-03-20", "high": "2026-04-02"}
NO_FIGURES = {
    "trigger": "expires_in_days", "reason": "The contract ends on 31 December 2026 (30 days left).",
    "days_left": 30, "threshold": "30", "threshold_text": "30 days", "period_start": None, "period_end": None,
    "planned": None, "available": None, "consumed": None, "remaining": None, "percent": None, "accounts": [],
}  # fmt: skip


def mail(snapshot=None, addressee=OWNER):
    return mail_of(MailNotification(NOTIFICATION, snapshot or make_snapshot(), addressee))


def mail_of(*notifications):
    return build_mail(
        notifications, message_id=MESSAGE, raised_at=RAISED_AT,
        sender="Tidemark <tidemark@provider.example.com>", public_url="https://tidemark.example.com/",
        secret=SECRET,
    )  # fmt: skip


def parse(built):
    parsed = message_from_bytes(built.as_bytes(), policy=default)
    text, html = (parsed.get_body((kind,)).get_content().replace("\r\n", "\n") for kind in ("plain", "html"))
    return parsed, text, html.replace("\N{NO-BREAK SPACE}", " ")
