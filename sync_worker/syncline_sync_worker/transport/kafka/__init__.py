"""The Kafka transport: the relay's publisher, the worker's consumer, the topics between them.

Importing this package brings no broker client: `topics`, `publisher` and `consumer` do, and need the extra ``kafka``.
"""

from syncline_sync_worker.transport.kafka.settings import (
    ConsumerSettings,
    DeadLetterTopicSettings,
    EventTopicSettings,
    KafkaSecurity,
    KafkaSettings,
    ProducerSettings,
    TopicSettings,
)

__all__ = [
    "ConsumerSettings",
    "DeadLetterTopicSettings",
    "EventTopicSettings",
    "KafkaSecurity",
    "KafkaSettings",
    "ProducerSettings",
    "TopicSettings",
]
