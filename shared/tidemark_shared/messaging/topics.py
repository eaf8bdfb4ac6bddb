"""The topics of SPEC 2."""

from typing import Literal, NamedTuple


class Topic(NamedTuple):
    """A public topic."""

    name: str
    retention: Literal["forever", "compacted", "long"]
    key: str

    @property
    def dead_letter_topic(self) -> str:
        """The name of the topic with the copies of its dead letters."""
        return f"{self.name}.dlq"


WORKLOGS = Topic("worklog.events", "long", "issue id")
LIFECYCLE = Topic("contracts.lifecycle", "forever", "contract id")
OFFERS = Topic("contracts.offers", "forever", "contract id")
DIRECTORY = Topic("contracts.directory", "compacted", "entity id")
BALANCES = Topic("consumption.balances", "compacted", "contract id")
PERIODS = Topic("consumption.periods", "forever", "contract id")
NOTIFICATIONS = Topic("notifier.notifications", "long", "contract id")
TOPICS = (WORKLOGS, LIFECYCLE, OFFERS, DIRECTORY, BALANCES, PERIODS, NOTIFICATIONS)
