"""The topics of SPEC 2, made where they are missing; what is there is left as its operators have it."""

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from tidemark.stack.processes import StackError
from tidemark_shared.events import NOTIFICATIONS, TOPICS, Topic

_PARTITIONS = 4
_RECORD_BYTES = 1_048_576
# Above a record of the largest size with its headers; and a refused one gets more headers on its way.
_MAX_BYTES, _MAX_DEAD_LETTER_BYTES = _RECORD_BYTES + 65_536, 2 * _RECORD_BYTES


async def create(bootstrap_servers: str, prefix: str = "") -> list[str]:
    """Make the topics that are missing, each with ``prefix`` before its name, and return their names."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    try:
        await admin.start()
        answer = await admin.create_topics([new for topic in TOPICS for new in _new(topic, prefix)])
    except (KafkaError, OSError) as error:
        raise StackError(
            f"Kafka at {bootstrap_servers} made no topics ({error}); check TIDEMARK_KAFKA_BOOTSTRAP_SERVERS."
        ) from error
    finally:
        await admin.close()
    made = []
    for name, code, message in answer.topic_errors:
        refusal = for_code(code)
        if code == 0:
            made.append(name)
        elif refusal is not TopicAlreadyExistsError:
            raise StackError(f"Kafka refused the topic {name}: {message or refusal.description}.")
    return made


def _new(topic: Topic, prefix: str) -> list[NewTopic]:
    kept = {"retention.ms": "-1", "cleanup.policy": "compact" if topic.retention == "compacted" else "delete"}
    topics = [_one(prefix + topic.name, kept, _MAX_BYTES)]
    # Nobody reads the notifications here, so nobody refuses any.
    if topic is not NOTIFICATIONS:
        topics.append(_one(prefix + topic.dead_letters, {"retention.ms": "-1"}, _MAX_DEAD_LETTER_BYTES))
    return topics


def _one(name: str, settings: dict[str, str], max_bytes: int) -> NewTopic:
    # Replication is the broker's default: 1 on a laptop, what production sets there.
    # The empty assignment is how aiokafka is told so.
    configs = {**settings, "max.message.bytes": str(max_bytes)}
    return NewTopic(name, _PARTITIONS, -1, replica_assignments={}, topic_configs=configs)
