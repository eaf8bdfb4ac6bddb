"""AsyncAPI 3.0 documents of the public topics, one a topic, from :mod:`tidemark_shared.messaging.events`. Pure.

Seen from Tidemark: it receives ``worklog.events`` and sends the rest. ``make docs`` writes them to ``docs/asyncapi``.
"""

from typing import Any

from faststream.specification.asyncapi.v3_0_0.schema import (
    ApplicationInfo,
    ApplicationSchema,
    Channel,
    Components,
    CorrelationId,
    Message,
    Operation,
    Reference,
)
from faststream.specification.asyncapi.v3_0_0.schema.bindings import ChannelBinding, kafka
from faststream.specification.asyncapi.v3_0_0.schema.operations import Action
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from tidemark_shared.messaging.events import EVENT_TYPES
from tidemark_shared.messaging.kafka import MAX_MESSAGE_BYTES, PARTITION_COUNT
from tidemark_shared.messaging.topics import BALANCES, DIRECTORY, LIFECYCLE, NOTIFICATIONS, WORKLOGS, Topic

# Of the public surface: grows with what it takes and sends, not with the code.
_VERSION = "1"
_BINDING = "0.5.0"

_ABOUT = {
    WORKLOGS: "Work as trackers and adapters log it, and which account of which contract each issue belongs to.",
    LIFECYCLE: "What became of contracts, each event with the whole terms; `stream_version` decides, not arrival.",
    DIRECTORY: "Organizations, teams and rate cards, each event with the full state; `version` decides, not arrival.",
    BALANCES: "Planned against executed of each contract, in full; the greatest `revision` holds.",
    NOTIFICATIONS: "Who was told what of which contract, and how it went.",
}

_TEXT = {"type": "string"}
_TIME = {"type": "string", "format": "date-time"}

_DEAD_LETTER_HEADERS: dict[str, dict[str, Any]] = {
    "tidemark_dlq_service": {**_TEXT, "description": "The service that refused the record."},
    "tidemark_dlq_reason": {**_TEXT, "description": "Why it was refused and how to mend it."},
    "tidemark_dlq_topic": {**_TEXT, "description": "The topic it came from."},
    "tidemark_dlq_partition": {**_TEXT, "description": "The partition it came from, in decimal digits."},
    "tidemark_dlq_offset": {**_TEXT, "description": "Its offset there, in decimal digits."},
    "tidemark_dlq_time": {**_TIME, "description": "When it was refused."},
}


class _KafkaBinding(kafka.ChannelBinding):
    topicConfiguration: dict[str, Any]  # noqa: N815 - the specification's name; FastStream's model lacks it


class _Binding(ChannelBinding):
    kafka: _KafkaBinding


def build_asyncapi_document(topic: Topic) -> dict[str, Any]:
    """The document of a topic and of its dead letters, where somebody here reads it and may refuse."""
    models = dict.fromkeys(EVENT_TYPES[topic].values())
    _, schemas = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    messages = {type_: _message(topic, type_, model) for type_, model in EVENT_TYPES[topic].items()}
    action = Action.RECEIVE if topic is WORKLOGS else Action.SEND
    channels = {topic.name: _channel(topic.name, topic, _ABOUT[topic], list(messages))}
    operations = {topic.name: _operation(action, topic.name, list(messages))}
    if topic is not NOTIFICATIONS:
        name, message = topic.dead_letter_topic, "refused"
        about = f"Records of {topic.name} that were refused, as they came, with the reason."
        channels[name] = _channel(name, WORKLOGS, about, [message])
        operations[name] = _operation(Action.SEND, name, [message])
        messages[message] = _dead_letter(topic)
    whole = ApplicationSchema(
        info=ApplicationInfo(title=f"Tidemark: {topic.name}", version=_VERSION, description=_ABOUT[topic]),
        defaultContentType="application/json",
        channels=channels,
        operations=operations,
        components=Components(messages=messages, schemas=schemas["$defs"]),
    )
    # As any: the binding is FastStream's and one member more.
    return whole.model_dump(mode="json", by_alias=True, exclude_none=True, serialize_as_any=True)


def _channel(name: str, like: Topic, about: str, messages: list[str]) -> Channel:
    compacted = like.retention == "compacted"
    configuration: dict[str, Any] = {"cleanup.policy": ["compact" if compacted else "delete"]}
    if not compacted:
        configuration |= {"retention.ms": -1, "retention.bytes": -1}
    return Channel(
        address=name,
        description=f"{about} A topic prefix, where one is set (`TIDEMARK_TOPIC_PREFIX`), stands before the address.",
        messages={name: Reference.model_validate({"$ref": f"#/components/messages/{name}"}) for name in messages},
        bindings=_Binding(
            kafka=_KafkaBinding(
                partitions=PARTITION_COUNT,
                topicConfiguration={**configuration, "max.message.bytes": MAX_MESSAGE_BYTES},
                bindingVersion=_BINDING,
            )
        ),
    )


def _operation(action: Action, channel: str, messages: list[str]) -> Operation:
    return Operation(
        action=action,
        channel=Reference.model_validate({"$ref": f"#/channels/{channel}"}),
        messages=[Reference.model_validate({"$ref": f"#/channels/{channel}/messages/{name}"}) for name in messages],
    )


def _message(topic: Topic, type_: str, model: type[BaseModel]) -> Message:
    structured = (
        " Structured mode (content-type application/cloudevents+json) is read as well." if topic is WORKLOGS else ""
    )
    return Message.model_validate(
        {
            "name": type_,
            "title": type_,
            "description": f"{model.__doc__}\n\nA CloudEvent 1.0 in binary mode.{structured}",
            "contentType": "application/json",
            "correlationId": CorrelationId(location="$message.header#/ce_correlationid"),
            "headers": _attributes(type_),
            "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
            "bindings": _key(topic),
        }
    )


def _dead_letter(topic: Topic) -> Message:
    return Message.model_validate(
        {
            "name": "refused",
            "title": "A record that was refused",
            "description": "Key, value and headers as they came, byte for byte, and the headers below.",
            "headers": {"type": "object", "properties": _DEAD_LETTER_HEADERS, "required": list(_DEAD_LETTER_HEADERS)},
            "payload": {"description": "Whatever the record held."},
            "bindings": _key(topic),
        }
    )


def _key(topic: Topic) -> dict[str, Any]:
    return {"kafka": {"key": {**_TEXT, "description": f"The {topic.key}."}, "bindingVersion": _BINDING}}


def _attributes(type_: str) -> dict[str, Any]:
    """The headers of an event in binary mode, as :func:`binary_headers` of cloudevents writes them."""
    properties = {
        "ce_specversion": {**_TEXT, "const": "1.0"},
        "ce_id": {**_TEXT, "minLength": 1, "description": "With ce_source it names the event."},
        "ce_source": {
            **_TEXT,
            "minLength": 1,
            "description": "Who says so: a URI reference. Worklogs and issues are known by it and their id.",
        },
        "ce_type": {**_TEXT, "const": type_},
        "ce_time": {**_TIME, "description": "When it happened. Tidemark decides by the times in the data."},
        "ce_correlationid": {**_TEXT, "description": "Ties logs and events of one cause together; else ce_id does."},
        "content-type": {**_TEXT, "const": "application/json"},
    }
    return {
        "type": "object",
        "properties": properties,
        "required": ["ce_specversion", "ce_id", "ce_source", "ce_type"],
    }
