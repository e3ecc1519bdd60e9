"""Makes what the processes need and never make themselves: the storage's schema, Kafka's topics, the index's collection.

What is there already is left as it is, so that it can be run again, and by two at once. A server that does not answer yet is
waited for; a wrong password or certificate ends it.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from syncline_contracts.errors import Unavailable
from syncline_contracts.revision import Clock
from syncline_store.embedding.build import build_embedder
from syncline_store.parts import check_clock, open_engine
from syncline_sync_worker.config import Configuration
from syncline_sync_worker.transport.backoff import Backoff
from syncline_sync_worker.transport.kafka.settings import KafkaSettings

FIRST_WAIT, LONGEST_WAIT = 0.25, 5.0


@dataclass(frozen=True, slots=True)
class Step:
    """What one part needed: what was made now, and what was there."""

    part: str
    where: str
    made: Sequence[str] = ()
    there: Sequence[str] = ()


Waiting = Callable[[str, Unavailable], None]
"""Told which part is waited for, and why, whenever that is another reason than before."""


async def migrate(configuration: Configuration, *, wait: float, waiting: Waiting) -> AsyncGenerator[Step, None]:
    """Make each part in turn, and wait `wait` seconds in all for those that do not answer.

    Raises ConfigurationError and its kin at once, Unavailable when the wait is over.
    """
    deadline = time.monotonic() + wait
    yield await _patiently("storage", lambda: _storage(configuration), deadline, waiting)
    kafka = configuration.kafka
    if kafka is not None:
        yield await _patiently("topics", lambda: _topics(kafka), deadline, waiting)
    yield await _patiently("index", lambda: _collection(configuration), deadline, waiting)


async def _patiently(part: str, make: Callable[[], Awaitable[Step]], deadline: float, waiting: Waiting) -> Step:
    backoff, told = Backoff(FIRST_WAIT, LONGEST_WAIT), ""
    while True:
        try:
            return await make()
        except Unavailable as error:
            left = deadline - time.monotonic()
            if left <= 0:
                raise
            if str(error) != told:
                waiting(part, error)
                told = str(error)
            await asyncio.sleep(min(left, backoff.next(error.retry_after)))


async def _storage(configuration: Configuration) -> Step:
    clock, file = Clock(), configuration.database
    made = [] if file is None or file.is_file() else [file.name]  # opening makes a file, and brings it up to date
    engine = await open_engine(configuration, clock)
    try:
        made += await engine.missing()
        await engine.migrate()
        await check_clock(engine, clock)
    finally:
        await engine.aclose()
    return Step("storage", configuration.store, made=made, there=() if made else ("schema",))


async def _topics(kafka: KafkaSettings) -> Step:
    from syncline_sync_worker.transport.kafka.topics import ensure_topics  # noqa: PLC0415 - its client is an extra

    made = await ensure_topics(kafka)
    names = (kafka.events.name, kafka.dead_letters.name)
    return Step("topics", kafka.bootstrap_servers, made=made, there=[name for name in names if name not in made])


async def _collection(configuration: Configuration) -> Step:
    """A local index is made when it is opened, by whoever holds it then."""
    if configuration.local_index:
        return Step("index", configuration.index)
    from syncline_store.index.client import Client  # noqa: PLC0415 - qdrant-client takes a second to import
    from syncline_store.index.collection import ensure, ensure_beside  # noqa: PLC0415 - as above

    key = configuration.index_api_key
    client = await Client.open(configuration.index, None if key is None else key.get_secret_value())
    embedder, name = build_embedder(configuration), configuration.collection
    following = None if configuration.for_next is None else build_embedder(configuration.for_next)
    try:
        was_there = await client.call(lambda qdrant: qdrant.collection_exists(name))
        await client.call(lambda qdrant: ensure(qdrant, name, embedder.model, embedder.dimensions, local=False))
        if following is not None:
            await client.call(lambda qdrant: ensure_beside(qdrant, name, following.model, following.dimensions, local=False))
    finally:
        await embedder.aclose()
        if following is not None:
            await following.aclose()
        await client.aclose()
    return Step("index", configuration.index, made=() if was_there else (name,), there=(name,) if was_there else ())
