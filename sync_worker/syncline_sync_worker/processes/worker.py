"""The worker as a process: Kafka on one side, storage, embedding model and index on the other."""

import asyncio
import random

from syncline_store.parts import Parts, open_parts
from syncline_sync_worker.config import Configuration
from syncline_sync_worker.dead_letters.kafka import EngineWithTopic
from syncline_sync_worker.handler import Handler
from syncline_sync_worker.processes.serving import Frame, process
from syncline_sync_worker.processes.telling import TellingHandler, TellingIndexer
from syncline_sync_worker.processes.trouble import Trouble
from syncline_sync_worker.processes.waiting import Look, look_after, patiently
from syncline_sync_worker.sweep import Sweep
from syncline_sync_worker.transport.backoff import unless
from syncline_sync_worker.transport.kafka import KafkaSettings
from syncline_sync_worker.transport.kafka.consumer import KafkaConsumer
from syncline_sync_worker.transport.kafka.lag import watch_lag
from syncline_sync_worker.transport.kafka.topics import check_topics

SWEEP_AT_LEAST = 300.0
"""Seconds between two sweeps at most: they tell the age of the oldest dead letter, too."""


async def run_worker(configuration: Configuration, stop: asyncio.Event) -> None:
    """Handle events until the stop; then finish the batch under way, acknowledge it, leave the group and return.

    Waits for parts that are away. Raises ConfigurationError for what waiting cannot mend, IndexLocked among it.

    Each worker sweeps, and none asks another: a sweep deletes by a filter on what has outlived its grace, so that several at once
    delete the same and no more, and one in minutes is little. A lease for it would be one more thing that can be stuck.
    """
    async with process("worker", configuration, stop) as frame:
        parts = await unless(stop, _open(configuration, frame))
        if parts is None:
            return
        indexes, trouble = await parts.indexes(), Trouble("handling pauses")
        consumer = KafkaConsumer(await _handler(configuration, parts, frame, trouble), frame.kafka, metrics=frame.metrics)
        sweep = Sweep(parts.engine, *indexes, clock=parts.clock, grace=configuration.tombstone_grace_us, metrics=frame.metrics)
        frame.started(lambda: (*trouble.reasons(), *_joining(consumer)))
        looks: dict[str, Look] = dict(
            zip(_names(configuration, frame.kafka), (parts.engine.clock, lambda: check_topics(frame.kafka), indexes[0].count), strict=True)
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(consumer.run(stop))
            group.create_task(sweep.run(stop, every=min(configuration.sweep_interval, SWEEP_AT_LEAST) * random.uniform(0.9, 1.1)))  # noqa: S311 - drift apart
            group.create_task(watch_lag(frame.kafka, frame.metrics, stop))
            group.create_task(look_after(looks, frame.health, stop))


async def _open(configuration: Configuration, frame: Frame) -> Parts:
    storage, transport, index = _names(configuration, frame.kafka)
    opened = await patiently(storage, lambda: open_parts(configuration), frame.health)
    parts = Parts(configuration, EngineWithTopic(opened.engine, frame.kafka), opened.clock)
    frame.opened.push_async_callback(parts.aclose)
    await patiently(transport, lambda: check_topics(frame.kafka), frame.health)
    await patiently(index, parts.indexes, frame.health)
    await patiently(f"the embedding model {configuration.embedder}", lambda: parts.embedder.embed_documents(["syncline"]), frame.health)
    following = parts.next_embedder
    if following is not None:
        await patiently(f"the next model {following.model}", lambda: following.embed_documents(["syncline"]), frame.health)
    return parts


async def _handler(configuration: Configuration, parts: Parts, frame: Frame, trouble: Trouble) -> TellingHandler:
    indexer = TellingIndexer(await parts.indexer())
    handler = Handler(indexer, parts.engine.dead_letters, clock=parts.clock, settings=configuration.handling, metrics=frame.metrics)
    return TellingHandler(handler, trouble)


def _names(configuration: Configuration, kafka: KafkaSettings) -> tuple[str, str, str]:
    return f"the storage {configuration.store}", f"Kafka at {kafka.bootstrap_servers}", f"the index {configuration.index}"


def _joining(consumer: KafkaConsumer) -> tuple[str, ...]:
    """A worker that the group gave no partitions is ready: it is there in case another one falls away."""
    return () if consumer.rebalances else ("joining the consumer group",)
