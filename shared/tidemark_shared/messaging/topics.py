"""The topics of SPEC 2."""

from typing import Literal, NamedTuple


class Topic(NamedTuple):
    """A topic of the public surface. ``retention`` is ``forever``, ``compacted`` or ``long``."""

    name: str
    retention: Literal["forever", "compacted", "long"]
    key: str

    @property
    def dead_letter_topic(self) -> str:
        """Where the copies of what was refused go."""
        return f"{self.name}.dlq"


WORKLOGS = Topic("worklog.events", "long", "issue id")
LIFECYCLE = Topic("contracts.lifecycle", "forever", "contract id")
DIRECTORY = Topic("contracts.directory", "compacted", "entity id")
BALANCES = Topic("consumption.balances", "compacted", "contract id")
NOTIFICATIONS = Topic("notifier.notifications", "long", "contract id")
TOPICS = (WORKLOGS, LIFECYCLE, DIRECTORY, BALANCES, NOTIFICATIONS)
