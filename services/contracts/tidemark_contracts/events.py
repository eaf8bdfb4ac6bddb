"""The events of this service as outbox records."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from tidemark_shared.log import get_correlation_id
from tidemark_shared.messaging.cloudevents import OutboxRecord, outbox_record
from tidemark_shared.messaging.topics import Topic

SOURCE = "/contracts"


def event_record(topic: Topic, entity_id: UUID, event_type: str, data: BaseModel, time: datetime) -> OutboxRecord:
    """An event as an outbox record; its key is the id of the entity."""
    return outbox_record(
        topic, str(entity_id), event_type, data, source=SOURCE, time=time, correlation_id=get_correlation_id()
    )
