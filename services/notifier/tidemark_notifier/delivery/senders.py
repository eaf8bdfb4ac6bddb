"""The channels: from leased rows to a mail or a webhook request."""

from collections.abc import Sequence
from typing import Protocol

from tidemark_notifier.database.query_types import LeaseDeliveriesRow
from tidemark_notifier.delivery.chat import build_chat_message
from tidemark_notifier.delivery.chat_formats import build_chat_body
from tidemark_notifier.delivery.egress import EgressPolicy
from tidemark_notifier.delivery.mail import build_mail, check_sender
from tidemark_notifier.delivery.mail_content import MailNotification
from tidemark_notifier.delivery.smtp import SmtpClient, SmtpServer
from tidemark_notifier.delivery.webhook import WebhookClient, WebhookRequest, build_payload
from tidemark_notifier.evaluation.addressees import Addressee
from tidemark_notifier.evaluation.snapshot import Snapshot
from tidemark_shared.messaging.events import NotificationChanged


class Sender(Protocol):
    """Sends the deliveries of one channel, over connections that it keeps for a moment."""

    async def send(self, rows: Sequence[LeaseDeliveriesRow]) -> None:
        """Send the leased rows of one message. Raises ``DeliveryError`` unless the receiver accepted it."""

    async def aclose(self) -> None:
        """Close the kept connections; another ``send`` opens new ones."""


class MailSender:
    """The channel ``email``."""

    def __init__(self, server: SmtpServer, *, sender: str, public_url: str, secret: str, locale: str = "en") -> None:
        check_sender(sender)
        self._client, self._sender, self._public_url = SmtpClient(server), sender, public_url
        self._secret, self._locale = secret, locale
        self.aclose = self._client.aclose

    async def send(self, rows: Sequence[LeaseDeliveriesRow]) -> None:
        """Send one mail with all its notifications."""
        mail = build_mail(
            _parse_notifications(rows),
            message_id=rows[0]["message_id"],
            raised_at=rows[0]["raised_at"],
            sender=self._sender,
            public_url=self._public_url,
            secret=self._secret,
            locale=self._locale,
        )
        await self._client.send_mail(mail)


class WebhookSender:
    """The channel ``webhook``: signed requests to programs, and messages to chats."""

    def __init__(self, policy: EgressPolicy, *, public_url: str, locale: str = "en") -> None:
        self._client, self._public_url, self._locale = WebhookClient(policy), public_url, locale
        self.aclose = self._client.aclose

    async def send(self, rows: Sequence[LeaseDeliveriesRow]) -> None:
        """Send one message to a chat with all its notifications, or the signed request of the only row."""
        row, notifications = rows[0], _parse_notifications(rows)
        addressee = notifications[0].addressee
        if addressee.chat_format:
            url, secret = addressee.chat_url, None
            message = build_chat_message(notifications, public_url=self._public_url, locale=self._locale)
            payload = build_chat_body(addressee.chat_format, message)
        else:
            url, secret = addressee.url, addressee.secret or ""
            payload = build_payload(notifications[0].snapshot, build_event(row), public_url=self._public_url)
        await self._client.send_webhook(WebhookRequest(row["id"], url or "", secret, payload, row["leased_at"]))


def _parse_notifications(rows: Sequence[LeaseDeliveriesRow]) -> list[MailNotification]:
    return [
        MailNotification(
            row["notification_id"],
            Snapshot.model_validate_json(row["snapshot"]),
            Addressee.model_validate_json(row["addressee"]),
        )
        for row in rows
    ]


def build_event(row: LeaseDeliveriesRow, error: str | None = None) -> NotificationChanged:
    """The event of a leased row's delivery."""
    return NotificationChanged(
        notification_id=row["notification_id"],
        contract_id=row["contract_id"],
        contract_code=row["contract_code"],
        rule_id=row["rule_id"],
        rule_name=row["rule_name"],
        offer_id=row["offer_id"],
        subject=row["subject"],
        subject_id=row["subject_id"],
        threshold=row["threshold"],
        raised_at=row["raised_at"],
        channel=row["channel"],
        receiver=row["receiver"],
        period_start=row["period_start"] and row["period_start"].isoformat(),
        delivery_id=row["id"],
        error=error,
    )
