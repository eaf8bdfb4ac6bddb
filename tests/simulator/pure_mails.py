"""Digests and deliveries of the notifier, with a minimal shell in memory that stores what the SQL stores."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tidemark_notifier.delivery.errors import DeliveryError
from tidemark_notifier.delivery.retries import RetryPolicy
from tidemark_notifier.evaluation.digest_schedule import find_due_day, find_next_check
from tidemark_notifier.evaluation.digests import DigestCase, build_digests
from tidemark_notifier.evaluation.notification_history import NotificationKey
from tidemark_notifier.evaluation.snapshot import DigestFigures
from tidemark_notifier.rules.rule import effective_rules

NO_JITTER = RetryPolicy(jitter=0)
EVEN_CHANCE = 0.5
ERRORS = {
    "later": DeliveryError("451 later"),
    "asks for ten minutes": DeliveryError("429 busy", retry_after_seconds=600),
    "refuses": DeliveryError("550 unknown", permanent=True),
}


def describe_digest(code, rule_name, details):
    """A contract in a digest, as in the model. ``details`` are those of a snapshot as JSON."""
    previous = details["previous"]
    return (
        code, "digest", rule_name, details["day"], details["status"], details["contract_end"], details["planned"],
        details["consumed"], previous and previous["day"], tuple(sorted(details["attention"])),
    )  # fmt: skip


class PureDigests:
    """When the rules for digests are looked at again, and what was sent of them."""

    def __init__(self):
        self.next_at, self.previous = {}, {}

    def send_due(self, rules, notifiers, now):
        """The digests that are due: (receiver, one notification for each contract)."""
        notified = [notifier for notifier in notifiers if notifier.contract]
        zones = {ZoneInfo(notifier.contract["terms"]["timezone"]) for notifier in notified}
        for rule in rules:
            key = rule.id, rule.version
            since = self.next_at.get(key)
            if rule.trigger.kind != "digest" or (since and since > now):
                continue
            self.next_at[key] = find_next_check(rule.trigger, now)
            if since and any(find_due_day(rule.trigger, [zone], since, now) for zone in zones):
                yield from self._send(rule, notified, since, now)

    def _send(self, rule, notifiers, since, now):
        cases, by_id = [], {notifier.contract_id: notifier for notifier in notifiers}
        for notifier in notifiers:
            contract = notifier.evaluation_input()
            if rule in effective_rules(notifier.rules.values(), notifier.contract_id, contract.terms.organization_id):
                previous = self.previous.get((rule.id, notifier.contract_id), {})
                cases.append(DigestCase(contract, notifier.keys, previous))
        for digest in build_digests(rule, cases, since, now):
            notifications = []
            for contract_id, key in digest.keys:
                by_id[contract_id].keys = [
                    *by_id[contract_id].keys,
                    NotificationKey(key, now.date(), bool(digest.entries)),
                ]
            for entry in digest.entries:
                snapshot, receiver = entry.snapshot, entry.addressee.receiver
                details = snapshot.digest.model_dump(mode="json")
                figures = DigestFigures.model_validate({name: details[name] for name in DigestFigures.model_fields})
                self.previous.setdefault((rule.id, entry.contract.contract_id), {})[receiver.casefold()] = figures
                notifications.append(describe_digest(snapshot.contract_code, rule.name, details))
            if notifications:
                yield receiver, notifications


class StoredMail:
    """A mail with its deliveries, which end together."""

    def __init__(self, receiver, notifications, now):
        self.receiver, self.notifications = receiver, tuple(sorted(notifications, key=str))
        self.status, self.attempts, self.copies = "pending", 0, 0
        self.due_at, self.leased_until = now, None

    def is_due(self, now: datetime) -> bool:
        return self.status == "pending" and self.due_at <= now and (not self.leased_until or self.leased_until <= now)

    def state(self):
        return self.receiver, self.notifications, self.status, self.attempts, self.copies


def send_due(mails, answer, now):
    """Lease what is due and attempt it, as the deliverer does. ``answer`` is that of the mail server."""
    for mail in mails:
        if not mail.is_due(now):
            continue
        mail.attempts += 1
        mail.leased_until = now + timedelta(seconds=NO_JITTER.lease_seconds)
        error = ERRORS.get(answer)
        if not NO_JITTER.may_attempt(mail.attempts):
            error = DeliveryError("The results of the last attempts could not be recorded.")
        elif answer in ("process dies before it", "process dies after it"):
            mail.copies += answer == "process dies after it"
            continue
        if error is None:
            mail.status, mail.copies = "delivered", mail.copies + 1
            continue
        delay_seconds = NO_JITTER.next_delay_seconds(mail.attempts, error, EVEN_CHANCE)
        if delay_seconds is None:
            mail.status = "failed"
        else:
            mail.due_at, mail.leased_until = now + timedelta(seconds=delay_seconds), None
