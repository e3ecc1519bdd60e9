"""One batch of deliveries: index what is an event, bury what is none, say whether all of it is durable."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol, TypeVar, assert_never

import structlog

from syncline_contracts.errors import EmbedderUnavailable, IndexUnavailable, StorageUnavailable, TransportUnavailable, Unavailable
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import DeadLetters
from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.outcome import Buried, Deferred, Handled, Outcome
from syncline_store.indexing.outcome import Done as How
from syncline_sync_worker.handler.circuit import Circuits, Part
from syncline_sync_worker.handler.delivery import Undecodable
from syncline_sync_worker.handler.retry import retrying
from syncline_sync_worker.handler.settings import HandlerSettings
from syncline_sync_worker.handler.verdict import Done, Pause, Verdict
from syncline_sync_worker.observability.metrics import Metrics

log = structlog.get_logger(__name__)

DEFAULTS = HandlerSettings()
T = TypeVar("T")


class Indexes(Protocol):
    """The one method of the indexer that the handler calls."""

    async def index(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        """Bring the deliveries' documents in step. Raises Unavailable when a part is out."""


class Handler:
    """The same for every transport. Safe to call for several batches at once.

    A verdict Done means that every effect is durable (architecture, invariant 6). An outage, however long, gives Pause and leaves
    no dead letter; a document that cannot be indexed is the indexer's to bury, without its batch-mates (invariant 8). A part that fails
    again and again, whatever batch asks, is left alone for a while: then batches pause without asking it, but for one that probes.
    """

    def __init__(
        self,
        indexer: Indexes,
        dead_letters: DeadLetters,
        *,
        clock: Clock,
        settings: HandlerSettings = DEFAULTS,
        metrics: Metrics | None = None,
    ) -> None:
        self._indexer = indexer
        self._dead_letters = dead_letters
        self._clock = clock
        self._settings = settings
        self._metrics = metrics or Metrics()
        self._circuits = Circuits(settings, self._metrics)

    async def handle(self, deliveries: Sequence[Delivery | Undecodable]) -> Verdict:
        """Handle a batch within the deadline. A verdict is given for the whole batch, in no case an Unavailable raised."""
        started = self._clock.now()
        try:
            async with asyncio.timeout(self._settings.deadline):
                counts = await self._bury(deliveries) + await self._index(deliveries)
        except Unavailable as error:
            return self._pause(error)
        except TimeoutError:
            return self._pause(Unavailable(f"a batch was not handled within {self._settings.deadline:g} s"))
        self._metrics.handled(counts, self._clock.now() - started)
        return Done(counts)

    async def _bury(self, deliveries: Sequence[Delivery | Undecodable]) -> Counter[str]:
        now = self._clock.now()
        letters = [one.letter(now) for one in deliveries if isinstance(one, Undecodable)]
        if letters:
            await self._try(lambda: self._dead_letters.add(letters), lambda _: (StorageUnavailable, TransportUnavailable))
            log.warning("undecodable events became dead letters", count=len(letters), first=letters[0].message)
        return Counter({"undecodable": len(letters)} if letters else {})

    async def _index(self, deliveries: Sequence[Delivery | Undecodable]) -> Counter[str]:
        events = [one for one in deliveries if isinstance(one, Delivery)]
        if not events:
            return Counter()
        outcomes = await self._try(lambda: self._indexer.index(events), _answered)
        return Counter(_name(outcome) for outcome in outcomes)

    async def _try(self, work: Callable[[], Awaitable[T]], answered: Callable[[T], Iterable[Part]]) -> T:
        circuits = self._circuits
        return await retrying(lambda: circuits.through(work, answered), self._settings, failed=self._again, given_up=lambda: circuits.open)

    def _again(self, error: Unavailable) -> None:
        self._metrics.retried(error)
        log.debug("a part is out; trying again", error=str(error))

    def _pause(self, error: Unavailable) -> Pause:
        self._metrics.paused(error)
        log.warning("a part stays out; handling pauses", error=str(error))
        return Pause(error)


def _answered(outcomes: Sequence[Outcome]) -> Iterable[Part]:
    """Points and rows are read for every event; whether a model was asked shows in what became of one."""
    embedded = any(isinstance(outcome, Handled) and outcome.how is How.EMBEDDED for outcome in outcomes)
    return (StorageUnavailable, IndexUnavailable, *((EmbedderUnavailable,) if embedded else ()))


def _name(outcome: Outcome) -> str:
    match outcome:
        case Handled(how=how):
            return str(how)
        case Deferred():
            return "defer"
        case Buried():
            return "dead_letter"
        case _:
            assert_never(outcome)
