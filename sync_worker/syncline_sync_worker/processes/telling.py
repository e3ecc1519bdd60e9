"""What a worker says of its batches and documents: one line an event, with what leads from it to the document and to its trace."""

from collections.abc import Sequence
from typing import Protocol, assert_never

import structlog
from structlog.contextvars import bound_contextvars

from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.outcome import Buried, Deferred, Handled, Outcome
from syncline_store.tracing import trace_id
from syncline_sync_worker.handler import Done, Pause, Undecodable, Verdict
from syncline_sync_worker.processes.trouble import Trouble

log = structlog.get_logger(__name__)


class Handles(Protocol):
    """The one method of the handler that is told of."""

    async def handle(self, deliveries: Sequence[Delivery | Undecodable]) -> Verdict:
        """Handle a batch."""


class Indexes(Protocol):
    """The one method of the indexer that is told of."""

    async def index(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        """Bring the deliveries' documents in step."""


class TellingHandler:
    """The handler. Every line that is written while it handles a batch names the batch by the source of its first delivery."""

    def __init__(self, handler: Handles, trouble: Trouble) -> None:
        self._handler = handler
        self._trouble = trouble

    async def handle(self, deliveries: Sequence[Delivery | Undecodable]) -> Verdict:
        """The handler's verdict."""
        with bound_contextvars(batch=deliveries[0].source if deliveries else None, events=len(deliveries)):
            verdict = await self._handler.handle(deliveries)
            match verdict:
                case Done(counts=counts):
                    log.debug("handled a batch", **counts)
                    self._trouble.worked()
                case Pause(reason=reason):
                    self._trouble.failed(reason)
                case _:
                    assert_never(verdict)
            return verdict


class TellingIndexer:
    """The indexer. A document that became a dead letter, or has to come again, gets a line of its own."""

    def __init__(self, indexer: Indexes) -> None:
        self._indexer = indexer

    async def index(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        """The indexer's outcomes."""
        outcomes = await self._indexer.index(deliveries)
        told = [outcome for outcome in outcomes if not isinstance(outcome, Handled)]
        if told:
            events = {delivery.event.ref: delivery.event for delivery in deliveries}
            for outcome in told:
                event = events.get(outcome.ref)
                with bound_contextvars(
                    document=str(outcome.ref.document),
                    event_id=None if event is None else str(event.id),
                    trace_id=None if event is None else trace_id(event.traceparent),
                ):
                    _tell(outcome)
        return outcomes


def _tell(outcome: Outcome) -> None:
    match outcome:
        case Buried(revision=revision, error=error, message=message):
            log.warning("a document became a dead letter", revision=revision, error=error, message=message)
        case Deferred(due=due):
            log.debug("an event is ahead of its document; it comes again", due=due)
        case Handled():
            pass  # thousands a second
        case _:
            assert_never(outcome)
