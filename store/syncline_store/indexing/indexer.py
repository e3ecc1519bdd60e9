"""The indexer: deliveries in, outcomes out. What the handler's transport is, it does not know."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from syncline_contracts.dead_letter import DeadLetter
from syncline_contracts.errors import IndexUnavailable
from syncline_contracts.identity import Ref
from syncline_contracts.revision import Clock
from syncline_store.embedding.protocol import Embedder
from syncline_store.engines.protocol import Engine
from syncline_store.indexing.coalesce import Coalesced, coalesce
from syncline_store.indexing.content import Reader
from syncline_store.indexing.deadline import allowed, deadline
from syncline_store.indexing.decide import Case
from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.isolate import Poison
from syncline_store.indexing.letters import bury, letter, resolve
from syncline_store.indexing.look import Look, Open
from syncline_store.indexing.outcome import Buried, Handled, Outcome
from syncline_store.indexing.passages import Splitter
from syncline_store.indexing.planner import Planner
from syncline_store.indexing.round import Round
from syncline_store.indexing.sizing import Sizing
from syncline_store.indexing.write import Writer
from syncline_store.settings import IndexingSettings
from syncline_store.together import together
from syncline_store.tracing import batch_span

if TYPE_CHECKING:  # qdrant-client takes seconds to import
    from syncline_store.index.index import Index

MAX_TRIES = 20
"""How often settle may send a document back: the model needs two; more means an index that does not keep what it took."""


class Indexer:
    """Brings documents and index in step, following docs/protocol.md. Safe to use from several tasks at once.

    `tombstone_grace`: µs that a tombstone point is kept. A batch that takes longer than the deadline (a setting, at most half
    of the grace) is given up and must come again. `alone` False: another model's indexer gets the same deliveries (`EveryIndex`).
    Then a dead letter names the model, and is not resolved here, where only one of them has the document.
    """

    def __init__(
        self,
        engine: Engine,
        index: "Index",
        embedder: Embedder,
        *,
        clock: Clock,
        settings: IndexingSettings | None = None,
        tombstone_grace: int,
        alone: bool = True,
    ) -> None:
        settings = settings or IndexingSettings()
        documents = engine.documents
        sizing = Sizing(settings.max_batch, settings.max_batch_bytes)
        reader = Reader(engine.namespaces, Splitter(embedder, settings.passage_tokens), index)
        self._round = Round(
            look=Look(index, documents, reader, clock),
            sizing=sizing,
            outbox=engine.outbox,
            planner=Planner(documents, index.model, tombstone_grace),
            writer=Writer(index, embedder, settings.attempts),
            clock=clock,
        )
        self._dead_letters = engine.dead_letters
        self._alone = alone
        self._model = index.model
        self._clock = clock
        self._sizing = sizing
        self._at_once = settings.batches_at_once
        self._allowed = allowed(settings.deadline, tombstone_grace)

    async def index(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        """One outcome a delivery, in order; deliveries of one document share theirs. Everything is durable on return.

        A few batches are under way at a time (`batches_at_once`), so that one's texts are embedded while another's points are
        written; a document is in one of them only.

        Raises Unavailable when a part does not answer, ConfigurationError when it cannot work as it is: nothing was dead-lettered
        then, and nothing may be acknowledged; the same deliveries again do no harm.
        """
        with batch_span("syncline.index", [delivery.event for delivery in deliveries]):
            return await self._index(deliveries)

    async def _index(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        outcomes: dict[Ref, Outcome] = {}
        works = deque(coalesce(deliveries).values())

        async def lane() -> None:
            while works:
                outcomes.update(await self._batch([works.popleft() for _ in range(min(len(works), self._sizing.documents))]))

        await together(lane() for _ in range(min(self._at_once, -(-len(works) // self._sizing.documents))))
        return [outcomes[delivery.event.ref] for delivery in deliveries]

    async def _batch(self, works: Sequence[Coalesced]) -> Mapping[Ref, Outcome]:
        outcomes: list[Outcome] = []
        poisons: list[Poison[Case]] = []
        waiting = [Open(work) for work in works]
        while waiting:
            _refuse_endless(waiting)
            async with deadline(self._clock, self._allowed) as until:
                result = await self._round.run(waiting, until)
            outcomes += result.outcomes
            poisons += result.poisons
            waiting = result.left
        outcomes += await self._bury(poisons)
        if self._alone:
            await resolve(self._dead_letters, {each.ref.document: each.revision for each in outcomes if isinstance(each, Handled)})
        return {outcome.ref: outcome for outcome in outcomes}

    async def _bury(self, poisons: Sequence[Poison[Case]]) -> list[Outcome]:
        letters = [_letter(poison, self._clock.now(), "" if self._alone else f"{self._model}: ") for poison in poisons]
        await bury(self._dead_letters, letters)
        return [
            Buried(poison.item.work.ref, each.revision or 0, each.error, each.message)
            for poison, each in zip(poisons, letters, strict=True)
        ]


def _letter(poison: Poison[Case], now: int, whose: str) -> DeadLetter:
    case = poison.item
    revision = case.row.revision if case.row is not None else case.event.revision
    made = letter(case.work, revision, poison.error, poison.attempts, now)
    return made.model_copy(update={"message": whose + made.message})


def _refuse_endless(waiting: Sequence[Open]) -> None:
    for each in waiting:
        if each.tries > MAX_TRIES:
            raise IndexUnavailable(f"the index does not hold what was written to it ({each.work.ref}): look at its log")
