"""The relay's rows into Kafka."""

from collections.abc import Sequence

from syncline_contracts import codec
from syncline_store.engines.protocol import OutboxRow
from syncline_sync_worker.transport.kafka.producer import Producer, Record
from syncline_sync_worker.transport.kafka.settings import KafkaSettings

_OF_EVERY_EVENT = [(name, value.encode()) for name, value in codec.OF_EVERY_EVENT.items()]


class KafkaPublisher:
    """Publishing returns once every row is acknowledged by all replicas in sync.

    The key is the document's id, so that the events of one document stay in one partition; body and headers are a CloudEvent
    (`syncline_contracts.codec`). Rows are known by their place: while one is under way it is not sent again.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._topic = settings.events.name
        self._producer = Producer(settings)

    @property
    def under_way(self) -> int:
        """Rows that Kafka was given and has not acknowledged."""
        return self._producer.under_way

    async def publish(self, rows: Sequence[OutboxRow]) -> None:
        """See `transport.protocol.Publisher`. Raises TransportUnavailable, and ConfigurationError for what waiting cannot mend."""
        await self._producer.send([self._record(row) for row in rows])

    async def aclose(self) -> None:
        """End the waits, and let go of the connections."""
        await self._producer.aclose()

    def _record(self, row: OutboxRow) -> Record:
        document = row.event.ref.document
        headers = codec.own_headers(row.event, document)
        return Record(
            place=(row.shard, row.pos.at, row.pos.tie, row.event.id.int),
            topic=self._topic,
            key=document.bytes,
            value=codec.encode_body(row.event),
            headers=[*_OF_EVERY_EVENT, *[(name, value.encode()) for name, value in headers.items()]],
        )
