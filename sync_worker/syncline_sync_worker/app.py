"""The composition root of the command line: builds store, relay, handler, sweep and reconciler over one set of parts.

What is heavy is built on first use. A local index is locked from then on until `open_app` ends.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from syncline_contracts.errors import ConfigurationError, IndexLocked, InvalidInput
from syncline_contracts.identity import SEGMENTS, Ref
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import Engine, Pos
from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.outcome import Buried, Done, Handled, Outcome
from syncline_store.parts import Parts, open_parts
from syncline_store.store import Store
from syncline_sync_worker.config import Configuration
from syncline_sync_worker.dead_letters.replay import DeadLetterDesk
from syncline_sync_worker.handler import Handler, HandlerSettings
from syncline_sync_worker.imports.importer import Importer
from syncline_sync_worker.observability import logs
from syncline_sync_worker.reconcile.settings import ReconcileSettings
from syncline_sync_worker.relay import Relay
from syncline_sync_worker.status import Status, pending, read_status
from syncline_sync_worker.transport import DirectPublisher

if TYPE_CHECKING:
    from syncline_store.index.index import Index
    from syncline_store.indexing.every import EveryIndex
    from syncline_sync_worker.reconcile.reconciler import Reconciler
    from syncline_sync_worker.reindex import Alias, Build, Side

Advance = Callable[[int], None]

LOCAL_OWNER = "local-index"
"""Who holds the leases beside a local index: its lock says that an earlier holder of this name is gone, so nobody waits for it."""
LIVE = 0
"""Where `IndexPoints.marks` says that a point is living: the first of its list."""
IMPATIENT = 3.0
"""Seconds after which a person who waits for the command is told of an outage. What is pending stays in the outbox."""


class App:
    """The parts of one configuration, put together for a command."""

    def __init__(self, configuration: Configuration, parts: Parts, store: Store) -> None:
        self.configuration = configuration
        self._parts = parts
        self.store = store
        self.buried = 0
        """Documents that this command could not index: each has its dead letter."""

    @property
    def engine(self) -> Engine:
        """The storage."""
        return self._parts.engine

    @property
    def clock(self) -> Clock:
        """The clock that draws the revisions."""
        return self._parts.clock

    @property
    def indexes(self) -> bool:
        """Indexing what is pending is this process's to do: the index is local, and no other processes take the events."""
        return self.configuration.local_index and self.configuration.kafka is None

    def desk(self, who: str | None = None) -> DeadLetterDesk:
        """The dead letters, in the hands of whom the audit is to name: the system's user unless given."""
        return DeadLetterDesk(self.engine, who=who, now=self.clock.now)

    def importer(self, tenant: str) -> Importer:
        """What writes files' documents as this tenant's."""
        return Importer(self.store.tenant(tenant), self.engine, tenant=tenant, now=self.clock.now, limits=self.configuration.limits)

    async def index(self) -> "Index":
        """The index that is searched. Raises as `hold_index` does."""
        return await self._parts.index()

    async def hold_index(self) -> None:
        """Open the index now, and with it take the lock on a local one. Raises IndexLocked, IndexMismatch, IndexUnavailable."""
        await self._parts.index()

    async def in_step(self, advance: Advance | None = None, *, settle: bool = False) -> int:
        """Bring a local index in step with what is stored: relay and handler until nothing is pending. How many events it took.

        A server's index is left to the relays and workers that run, and so is any with Kafka in between.

        `advance` is told how many more documents it changed. With `settle`, the marks pass all of them, which may take as long as rows
        can be late (see `Relay.drain`). Raises IndexLocked, Unavailable.
        """
        if not self.indexes:
            return 0
        handling = self.configuration.handling
        impatient = handling.model_copy(update={"retry_for": min(IMPATIENT, handling.retry_for)})
        relay, _ = await self._relay(advance, impatient, patience=0.0)
        handled = await relay.drain()
        if settle and await self._before_a_mark_passes():
            handled += await relay.drain(settle=True)
        return handled

    async def _before_a_mark_passes(self) -> bool:
        """Whether any event stands behind a mark: it was handled, but the marks do not say so yet."""
        until = Pos(self.clock.now())
        marks = await self.engine.leases.marks()
        for shard in range(self.engine.outbox.shards):
            mark = marks.get(shard)
            if mark is None or await self.engine.outbox.read(shard, mark, until, 1):
                return True
        return False

    async def pending(self, *, settle: bool = False) -> int:
        """Events that relays and workers have still to handle; with `settle`, those too that count as in flight all the same.

        That is until a mark has passed them, and for as long as rows can be late. Raises Unavailable, ConfigurationError.
        """
        left = await pending(self.engine, self.clock, self.configuration)
        return left if left or not settle else int(await self._anything_in_flight())

    async def _anything_in_flight(self) -> bool:
        now, marks = self.clock.now(), await self.engine.leases.marks()
        for shard in range(self.engine.outbox.shards):
            after = min(marks.get(shard) or Pos(0), Pos(now - self.engine.outbox.lateness))
            if await self.engine.outbox.read(shard, after, Pos(now), 1):
                return True
        return False

    async def in_step_if_free(self, advance: Advance | None = None) -> bool:
        """The same; False where it is another process's to do, which holds the index or runs beside its server."""
        try:
            await self.in_step(advance)
        except IndexLocked:
            return False
        return self.indexes

    async def holds(self, ref: Ref, revision: int) -> bool:
        """Whether the index has this document at this revision or a later one."""
        points = await (await self._parts.index()).points([ref.document])
        return any(point.passage == 0 and point.revision >= revision for point in points[ref.document])

    async def run(self, stop: asyncio.Event, advance: Advance) -> None:
        """Relay, handler and sweep until the stop; then finish what is under way. Outages are waited out."""
        from syncline_sync_worker.sweep import Sweep  # noqa: PLC0415 - brings qdrant-client, which most commands do without for a while

        relay, publisher = await self._relay(advance, self.configuration.handling, patience=30.0)
        sweep = Sweep(self.engine, *await self._parts.indexes(), clock=self.clock, grace=self.configuration.tombstone_grace_us)

        async def end_waits() -> None:
            await stop.wait()
            await publisher.aclose()

        async with asyncio.TaskGroup() as group:
            group.create_task(relay.run(stop))
            group.create_task(sweep.run(stop))
            group.create_task(end_waits())

    async def reconciler(self, settings: ReconcileSettings, model: str | None = None) -> "Reconciler":
        """What compares the source with the index that is searched, or with that of a model that the settings name.

        Raises InvalidInput for a model that they do not.
        """
        return self._reconciler(settings, choose(await self.sides(), model, self.configuration))

    def _reconciler(self, settings: ReconcileSettings, side: "Side") -> "Reconciler":
        from syncline_sync_worker.comparing import configured  # noqa: PLC0415 - brings qdrant-client; few commands compare

        return configured(self.configuration, self._parts, side.index, side.embedder, settings)

    @property
    def models(self) -> dict[str, str]:
        """Which setting names which model: those whose collections writes with these settings reach."""
        following = self._parts.next_embedder
        return {self._parts.embedder.model: "embedder"} | ({} if following is None else {following.model: "next.embedder"})

    async def sides(self) -> "list[Side]":
        """The index that is searched and, while a model is migrated, the next one's. Raises as opening an index does."""
        from syncline_sync_worker.reindex import Side  # noqa: PLC0415 - brings qdrant-client

        following, embedder = await self._parts.next_index(), self._parts.next_embedder
        own = Side(await self._parts.index(), self._parts.embedder, "embedder")
        return [own] if following is None or embedder is None else [own, Side(following, embedder, "next.embedder")]

    async def alias(self, settings: ReconcileSettings) -> "Alias":
        """What switches the alias, once a check with these settings finds the other collection in step."""
        from syncline_sync_worker.reindex import Alias  # noqa: PLC0415 - one command needs it

        return Alias(await self.sides(), lambda side: self._reconciler(settings, side).check())

    async def build(self) -> "Build":
        """What fills the next model's collection. Raises ConfigurationError without a next model."""
        from syncline_sync_worker.reindex import Build  # noqa: PLC0415 - one command needs it

        index, indexer, configuration = await self._parts.next_index(), await self._parts.indexer_of_next(), self.configuration
        if index is None or indexer is None:
            raise ConfigurationError("there is no next model: name it in `next.embedder`, or with --model")
        handler = Handler(indexer, self.engine.dead_letters, clock=self.clock, settings=configuration.handling)
        indexing = configuration.indexing_settings
        batch = indexing.max_batch * indexing.batches_at_once
        return Build(self.engine, index, handler, self.clock, per_range=configuration.reconcile.range_documents, batch=batch)

    async def indexed(self) -> tuple[int, int]:
        """Living documents in the index, and all its points."""
        index = await self._parts.index()
        documents = 0
        async for points in index.scan(0, SEGMENTS - 1):
            documents += int(((points.passage == 0) & (points.marks == LIVE)).sum())
        return documents, await index.count()

    async def status(self) -> Status:
        """How things stand. Another process may hold the index."""
        return await read_status(self._parts, self.configuration)

    def _note(self, outcomes: Sequence[Outcome], advance: Advance | None) -> None:
        """What came again and was there already counts as nothing done."""
        self.buried += sum(isinstance(outcome, Buried) for outcome in outcomes)
        if advance is not None:
            advance(sum(not (isinstance(outcome, Handled) and outcome.how is Done.SKIPPED) for outcome in outcomes))

    async def _relay(self, advance: Advance | None, handling: HandlerSettings, *, patience: float) -> tuple[Relay, DirectPublisher]:
        indexer = _Telling(await self._parts.indexer(), lambda outcomes: self._note(outcomes, advance))
        handler = Handler(indexer, self.engine.dead_letters, clock=self.clock, settings=handling)
        batch = self.configuration.indexing_settings.max_batch
        publisher = DirectPublisher(handler, max_batch=batch, patience=patience)
        owner = LOCAL_OWNER if self.configuration.local_index else None
        return Relay(self.engine, publisher, clock=self.clock, settings=self.configuration.relay, owner=owner), publisher


class _Telling:
    """The indexer, telling somebody what became of each batch."""

    def __init__(self, indexer: "EveryIndex", tell: Callable[[Sequence[Outcome]], None]) -> None:
        self._indexer = indexer
        self._tell = tell

    async def index(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        outcomes = await self._indexer.index(deliveries)
        self._tell(outcomes)
        return outcomes


def choose(sides: "Sequence[Side]", model: str | None, configuration: Configuration) -> "Side":
    """The side of a model, called as the settings call it or by its id; the one that is searched where none is named."""
    if model is None:
        return sides[0]
    following = None if configuration.next is None else configuration.next.embedder
    for side, called in zip(sides, (configuration.embedder, following), strict=False):
        if model in (called, side.embedder.model):
            return side
    raise InvalidInput("--model", f"{model!r} is neither the model in use nor the next one of these settings")


def set_up_logs(configuration: Configuration) -> None:
    """A command says itself what went wrong: what drivers log of it is shown to those who ask for more than errors."""
    level = configuration.log.level
    logs.set_up(configuration.log.form, level, secrets=logs.secrets_of(configuration), libraries=level != "error")


@asynccontextmanager
async def open_app(configuration: Configuration) -> AsyncIterator[App]:
    """Open what is configured; close it at the end. Raises ConfigurationError, StorageUnavailable."""
    set_up_logs(configuration)
    parts = await open_parts(configuration)
    async with Store(parts) as store:
        yield App(configuration, parts, store)
