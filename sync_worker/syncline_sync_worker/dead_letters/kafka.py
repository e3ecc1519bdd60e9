"""Dead letters in the store's table, and each of them, as it came, on a topic.

A topic can keep bytes and hand them on; it cannot find one letter, tell open from closed, or hold one open letter a document. So the
table stays what an operator works on, and the topic gets a copy for everything that listens (docs/decisions/0010).
"""

import uuid
from collections.abc import Mapping, Sequence

from syncline_contracts.dead_letter import Closed, DeadLetter, Reason
from syncline_store.engines.protocol import Audit, DeadLetters, Documents, Engine, Leases, Namespaces, Outbox, Page
from syncline_sync_worker.transport.kafka.producer import Producer, Record
from syncline_sync_worker.transport.kafka.records import KEY, header_bytes
from syncline_sync_worker.transport.kafka.settings import KafkaSettings

LONGEST_MESSAGE = 4_000
"""Characters of the error's message that a header carries."""


class KafkaDeadLetters:
    """`add` returns once both have the letter: the topic first, so that nothing is on record that was not sent.

    Each failure is a record of its own on the topic; the table counts them in one open letter. A call that failed in between comes
    again and sends the letter twice, under the same id.
    """

    def __init__(self, table: DeadLetters, settings: KafkaSettings) -> None:
        self._table = table
        self._topic = settings.dead_letters.name
        self._producer = Producer(settings)

    async def add(self, letters: Sequence[DeadLetter]) -> None:
        """Durable on return, in both. Raises TransportUnavailable, StorageUnavailable, ConfigurationError."""
        await self._producer.send([_record(letter, self._topic) for letter in letters])
        await self._table.add(letters)

    async def get(self, letter: uuid.UUID) -> DeadLetter | None:
        """One letter, closed ones included."""
        return await self._table.get(letter)

    async def scan(self, after: str | None, limit: int, *, closed: bool = False) -> Page[DeadLetter]:
        """Open letters (with `closed`, all of them), oldest first."""
        return await self._table.scan(after, limit, closed=closed)

    async def close(self, letters: Sequence[uuid.UUID], why: Closed, note: str | None = None) -> int:
        """Close open letters; how many were."""
        return await self._table.close(letters, why, note)

    async def resolve(self, versions: Mapping[uuid.UUID, int]) -> int:
        """Close as resolved the letters of documents that are indexed now."""
        return await self._table.resolve(versions)

    async def reasons(self, letter: uuid.UUID) -> Sequence[Reason]:
        """Why it failed, newest first."""
        return await self._table.reasons(letter)

    async def aclose(self) -> None:
        """Let go of the connections to Kafka. The table is its engine's."""
        await self._producer.aclose()


class EngineWithTopic:
    """An engine whose dead letters go to a topic too, whoever writes them: the handler, and the indexer below it."""

    def __init__(self, engine: Engine, settings: KafkaSettings) -> None:
        self._engine = engine
        self._letters = KafkaDeadLetters(engine.dead_letters, settings)

    @property
    def documents(self) -> Documents:
        """The engine's."""
        return self._engine.documents

    @property
    def namespaces(self) -> Namespaces:
        """The engine's."""
        return self._engine.namespaces

    @property
    def outbox(self) -> Outbox:
        """The engine's."""
        return self._engine.outbox

    @property
    def leases(self) -> Leases:
        """The engine's."""
        return self._engine.leases

    @property
    def dead_letters(self) -> DeadLetters:
        """The engine's table, and the topic."""
        return self._letters

    @property
    def audit(self) -> Audit:
        """The engine's."""
        return self._engine.audit

    async def migrate(self) -> None:
        """Bring the engine's schema to this version. Topics are `ensure_topics`' business."""
        await self._engine.migrate()

    async def missing(self) -> Sequence[str]:
        """The engine's."""
        return await self._engine.missing()

    async def identity(self) -> str:
        """The engine's."""
        return await self._engine.identity()

    async def clock(self) -> int:
        """The engine's."""
        return await self._engine.clock()

    async def expire(self, now: int) -> int:
        """The engine's."""
        return await self._engine.expire(now)

    async def aclose(self) -> None:
        """Close both."""
        try:
            await self._letters.aclose()
        finally:
            await self._engine.aclose()


def _record(letter: DeadLetter, topic: str) -> Record:
    key = letter.headers.get(KEY)
    original = [(name, header_bytes(value)) for name, value in letter.headers.items() if name != KEY]
    return Record(
        place=(letter.id, letter.source, letter.last_at, letter.attempts),
        topic=topic,
        key=bytes.fromhex(key) if key is not None else (letter.document or letter.id).bytes,
        value=letter.payload,
        headers=[*original, *((f"syncline-{name}", value.encode("utf-8", "backslashreplace")) for name, value in _failure(letter).items())],
    )


def _failure(letter: DeadLetter) -> Mapping[str, str]:
    return {
        "letter": str(letter.id),
        "source": letter.source,
        "error": letter.error,
        "message": letter.message[:LONGEST_MESSAGE],
        "attempts": str(letter.attempts),
        "first-at": str(letter.first_at),
        "last-at": str(letter.last_at),
    }
