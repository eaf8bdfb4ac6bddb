"""AsyncAPI 3.0 documents of the public topics, built from :mod:`tidemark_shared.messaging.events`. Pure.

Tidemark receives ``worklog.events`` and sends the other topics. ``make docs`` writes the documents to
``docs/asyncapi``.
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

from tidemark_shared.domain.examples import EVENTS
from tidemark_shared.domain.schemas import LICENSE_NAME, clean_descriptions, describe_members, without_titles
from tidemark_shared.messaging.events import EVENT_TYPES
from tidemark_shared.messaging.kafka import MAX_MESSAGE_BYTES, PARTITION_COUNT
from tidemark_shared.messaging.topics import (
    BALANCES,
    DIRECTORY,
    LIFECYCLE,
    NOTIFICATIONS,
    OFFERS,
    PERIODS,
    WORKLOGS,
    Topic,
)

# The version of the public topics, not of the code.
_VERSION = "1"
_BINDING = "0.5.0"

_DESCRIPTIONS = {
    WORKLOGS: "Worklogs from trackers and adapters, and the contract and account that each issue belongs to.",
    LIFECYCLE: "Changes of contracts, each event with all terms; `stream_version` decides, not arrival.",
    OFFERS: "Proposed adjustments of contracts and their answers, each event with the full state of the offer.",
    DIRECTORY: "Organizations, teams and rate cards, each event with the full state; `version` decides, not arrival.",
    BALANCES: "Planned against executed of each contract, with the full state; the highest `revision` is current.",
    PERIODS: "Settled periods: the statement of each, frozen once, and the restatements that correct it.",
    NOTIFICATIONS: "Notifications about contracts, and their delivery.",
}

_SERVERS = {
    "kafka": {
        "host": "{bootstrap_servers}",
        "protocol": "kafka",
        "description": "The brokers that Tidemark uses.",
        "variables": {
            "bootstrap_servers": {
                "default": "127.0.0.1:9092",
                "description": "`TIDEMARK_KAFKA_BOOTSTRAP_SERVERS`; `tidemark up` prints its own.",
            }
        },
    }
}

_TEXT = {"type": "string"}
_TIME = {"type": "string", "format": "date-time"}

_DEAD_LETTER_HEADERS: dict[str, dict[str, Any]] = {
    "tidemark_dlq_service": {**_TEXT, "description": "The service that could not process the record."},
    "tidemark_dlq_reason": {**_TEXT, "description": "What is wrong with the record and how to repair it."},
    "tidemark_dlq_topic": {**_TEXT, "description": "The topic it came from."},
    "tidemark_dlq_partition": {**_TEXT, "description": "The partition it came from, in decimal digits."},
    "tidemark_dlq_offset": {**_TEXT, "description": "Its offset there, in decimal digits."},
    "tidemark_dlq_time": {**_TIME, "description": "When it became a dead letter."},
}

_DEAD_LETTER_EXAMPLE = {
    "tidemark_dlq_service": "consumption",
    "tidemark_dlq_reason": "/seconds: Input should be greater than or equal to 1",
    "tidemark_dlq_partition": "0",
    "tidemark_dlq_offset": "4711",
    "tidemark_dlq_time": "2026-03-02T16:05:13Z",
}


class _KafkaBinding(kafka.ChannelBinding):
    topicConfiguration: dict[str, Any]  # noqa: N815 - the specification's name; FastStream's model lacks it


class _Binding(ChannelBinding):
    kafka: _KafkaBinding | None = None


def build_asyncapi_document(topic: Topic) -> dict[str, Any]:
    """Build the document of a topic and of its dead-letter topic."""
    models = dict.fromkeys(EVENT_TYPES[topic].values())
    schemas: dict[str, Any] = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )[1]["$defs"]
    describe_members(schemas)
    messages = {type_: _message(topic, type_, model) for type_, model in EVENT_TYPES[topic].items()}
    action = Action.RECEIVE if topic is WORKLOGS else Action.SEND
    channels = {topic.name: _channel(topic.name, topic, _DESCRIPTIONS[topic], list(messages))}
    operations = {topic.name: _operation(action, topic.name, list(messages))}
    name, message = topic.dead_letter_topic, "dead_letter"
    description = f"Dead letters of {topic.name}: the original records, with the reason."
    channels[name] = _channel(name, WORKLOGS, description, [message])
    operations[name] = _operation(Action.SEND, name, [message])
    messages[message] = _dead_letter(topic)
    schema = ApplicationSchema(
        info=ApplicationInfo(
            title=f"Tidemark: {topic.name}",
            version=_VERSION,
            description=_DESCRIPTIONS[topic],
            license={"name": LICENSE_NAME},
        ),
        defaultContentType="application/json",
        channels=channels,
        operations=operations,
        components=Components(
            messages=messages, schemas={name: without_titles(schema) for name, schema in schemas.items()}
        ),
    )
    # Serialize as any: the binding has one member more than FastStream's.
    document = schema.model_dump(mode="json", by_alias=True, exclude_none=True, serialize_as_any=True)
    # FastStream's models have no examples, and require a path for a server.
    for name, message in document["components"]["messages"].items():
        message["examples"] = [_example(topic, name)]
    return {**clean_descriptions(document), "servers": _SERVERS}


def _example(topic: Topic, name: str) -> dict[str, Any]:
    if name == "dead_letter":
        [(type_, model), *_] = EVENT_TYPES[topic].items()
        headers = _headers_example(topic, type_) | _DEAD_LETTER_EXAMPLE | {"tidemark_dlq_topic": topic.name}
        return {"name": "a_dead_letter", "headers": headers, "payload": EVENTS[model.__name__]}
    payload = EVENTS[EVENT_TYPES[topic][name].__name__]
    return {"name": "an_event", "headers": _headers_example(topic, name), "payload": payload}


def _headers_example(topic: Topic, type_: str) -> dict[str, str]:
    return {
        "ce_specversion": "1.0",
        "ce_id": "10100-1",
        "ce_source": "/jira/example" if topic is WORKLOGS else "/" + topic.name.partition(".")[0],
        "ce_type": type_,
        "ce_time": "2026-03-02T16:05:12Z",
        "content-type": "application/json",
    }


def _channel(name: str, model: Topic, description: str, messages: list[str]) -> Channel:
    compacted = model.retention == "compacted"
    configuration: dict[str, Any] = {"cleanup.policy": ["compact" if compacted else "delete"]}
    if not compacted:
        configuration |= {"retention.ms": -1, "retention.bytes": -1}
    return Channel(
        address=name,
        description=f"{description} The topic prefix (`TIDEMARK_TOPIC_PREFIX`), if set, precedes the address.",
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
        " Structured mode (content-type application/cloudevents+json) is also accepted." if topic is WORKLOGS else ""
    )
    return Message.model_validate(
        {
            "name": type_,
            "title": type_,
            "description": f"{model.__doc__}\n\nA CloudEvent 1.0 in binary mode.{structured}",
            "contentType": "application/json",
            "correlationId": CorrelationId(location="$message.header#/ce_correlationid"),
            "headers": _event_headers(type_),
            "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
            "bindings": _key(topic),
        }
    )


def _dead_letter(topic: Topic) -> Message:
    return Message.model_validate(
        {
            "name": "dead_letter",
            "title": "A dead letter",
            "description": "The key, value and headers of the original record, byte for byte, and the headers below.",
            "headers": {"type": "object", "properties": _DEAD_LETTER_HEADERS, "required": list(_DEAD_LETTER_HEADERS)},
            "payload": {"description": "The value of the original record."},
            "bindings": _key(topic),
        }
    )


def _key(topic: Topic) -> dict[str, Any]:
    return {"kafka": {"key": {**_TEXT, "description": f"The {topic.key}."}, "bindingVersion": _BINDING}}


def _event_headers(type_: str) -> dict[str, Any]:
    """The headers of an event in binary mode, as :func:`.cloudevents.build_binary_headers` writes them."""
    properties = {
        "ce_specversion": {**_TEXT, "const": "1.0"},
        "ce_id": {**_TEXT, "minLength": 1, "description": "Identifies the event together with ce_source."},
        "ce_source": {
            **_TEXT,
            "minLength": 1,
            "description": "The source, a URI reference. It identifies worklogs and issues together with their id.",
        },
        "ce_type": {**_TEXT, "const": type_},
        "ce_time": {**_TIME, "description": "When the event happened. Tidemark uses the times in the data."},
        "ce_correlationid": {**_TEXT, "description": "Shared by the logs and events of one cause; defaults to ce_id."},
        "content-type": {**_TEXT, "const": "application/json"},
    }
    return {
        "type": "object",
        "properties": properties,
        "required": ["ce_specversion", "ce_id", "ce_source", "ce_type"],
    }
