"""The AsyncAPI document of what crosses Kafka: for those who write another producer or consumer of the topics."""

from faststream.kafka import KafkaBroker
from faststream.specification import AsyncAPI

from syncline_contracts.codec import SCHEMA
from syncline_contracts.event import ChangeEvent
from syncline_sync_worker.transport.kafka.settings import KafkaSettings


def asyncapi(settings: KafkaSettings) -> str:
    """The document as JSON text (AsyncAPI 3.0). Nothing is connected to, and no secret stands in it."""
    broker = KafkaBroker(settings.servers, description="Syncline's brokers")

    @broker.subscriber(
        settings.events.name,
        group_id=settings.consumer.group,
        title=settings.events.name,
        description="A document may have changed. CloudEvents 1.0 in binary mode: attributes in `ce_` headers, this as the JSON body; "
        "the key is the document's id (16 bytes).",
    )
    async def index(event: ChangeEvent) -> None:
        """Bring the document in step."""

    return AsyncAPI(broker, title="Syncline", version=SCHEMA, schema_version="3.0.0").to_specification().to_json()
