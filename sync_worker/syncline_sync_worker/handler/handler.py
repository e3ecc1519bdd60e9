"""One batch of deliveries: index what is an event, bury what is none, say whether all of it is durable."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Protocol, assert_never

import structlog

from syncline_contracts.errors import Unavailable
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import DeadLetters
from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.outcome import Buried, Deferred, Handled, Outcome
from syncline_sync_worker.handler.delivery import Undecodable
from syncline_sync_worker.handler.retry import retrying
from syncline_sync_worker.handler.settings import HandlerSettings
from syncline_sync_worker.handler.verdict import Done, Pause, Verdict
from syncline_sync_worker.observability.metrics import Metrics

log = structlog.get_logger(__name__)

DEFAULTS = HandlerSettings()


class Indexes(Protocol):
    """The one method of the indexer that the handler calls."""

    async def index(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        """Bring the deliveries' documents in step. Raises Unavailable when a part is out."""


class Handler:
    """The same for every transport. Safe to call for several batches at once.

    A verdict Done means that every effect is durable (architecture, invariant 6). An outage, however long, gives Pause and leaves
    no dead letter; a document that cannot be indexed is the indexer's to bury, without its batch-mates (invariant 8).
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
            await retrying(lambda: self._dead_letters.add(letters), self._settings, failed=self._again)
            log.warning("undecodable events became dead letters", count=len(letters), first=letters[0].message)
        return Counter({"undecodable": len(letters)} if letters else {})

    async def _index(self, deliveries: Sequence[Delivery | Undecodable]) -> Counter[str]:
        events = [one for one in deliveries if isinstance(one, Delivery)]
        if not events:
            return Counter()
        outcomes = await retrying(lambda: self._indexer.index(events), self._settings, failed=self._again)
        return Counter(_name(outcome) for outcome in outcomes)

    def _again(self, error: Unavailable) -> None:
        self._metrics.retried(error)
        log.debug("a part is out; trying again", error=str(error))

    def _pause(self, error: Unavailable) -> Pause:
        self._metrics.paused(error)
        log.warning("a part stays out; handling pauses", error=str(error))
        return Pause(error)


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
