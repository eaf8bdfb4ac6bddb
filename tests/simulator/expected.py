"""What must come of one contract: its life, its notifications, and the mails that say so (SPEC 5, N3)."""

from datetime import timedelta
from fractions import Fraction

from notification_model import NotificationModel
from reference.rules import day_of

OWNER = "olga@provider.example.com"
MAX_ATTEMPTS = 10
FIRST_DELAY_SECONDS, GROWTH, LEASE = 3, Fraction(5, 2), timedelta(seconds=15)
ASKED_DELAY = timedelta(minutes=10)


class ExpectedContract:
    """A contract: ``life`` is what commands come to, and ``model`` what rules raise."""

    def __init__(self, id_, life, now):
        self.id, self.life, self.model = id_, life, NotificationModel()
        self.evaluated_at, self.is_reevaluation_due = now, False

    @property
    def code(self):
        return self.life.terms["code"]

    @property
    def account_id(self):
        return self.life.terms["accounts"][0]["id"]

    def set_rule(self, scope, body):
        # Digests have a model of their own.
        if body["trigger"]["kind"] != "digest":
            self.model.set_rule(scope, body)
        self.is_reevaluation_due = True

    def evaluate_due(self, now):
        """What the notifier raises when it looks at the time."""
        is_due = now >= self.evaluated_at or self.is_reevaluation_due
        self.is_reevaluation_due = False
        return self.evaluate(now) if is_due else []

    def evaluate(self, now):
        """What an evaluation raises: all of it is one mail."""
        count = len(self.model.notifications)
        if self.model.version:
            self.model.evaluate(now, day_of(now, self.model.terms))
            self.evaluated_at = now
        return [(self.code, *notification) for notification in self.model.notifications[count:]]


class ExpectedMail:
    """A mail: at most ten attempts, each a longer time after the one before. It is sent once, unless a process dies."""

    def __init__(self, receiver, notifications, now):
        self.receiver, self.notifications = receiver, tuple(sorted(notifications, key=str))
        self.status, self.attempts, self.copies = "pending", 0, 0
        self.next_at, self.delay_seconds = now, FIRST_DELAY_SECONDS

    def send(self, answer, now):
        """An attempt, if it is time for one."""
        if self.status != "pending" or now < self.next_at:
            return
        self.attempts += 1
        delay = timedelta(seconds=float(self.delay_seconds))
        self.delay_seconds *= GROWTH
        if self.attempts > MAX_ATTEMPTS:
            self.status = "failed"
        elif answer in ("process dies before it", "process dies after it"):
            self.copies += answer == "process dies after it"
            self.next_at = now + LEASE
        elif answer == "accepts":
            self.status, self.copies = "delivered", self.copies + 1
        elif answer == "refuses" or self.attempts == MAX_ATTEMPTS:
            self.status = "failed"
        else:
            self.next_at = now + max(delay, ASKED_DELAY if answer == "asks for ten minutes" else timedelta())

    def state(self):
        return self.receiver, self.notifications, self.status, self.attempts, self.copies
