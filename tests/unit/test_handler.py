"""The handler around an indexer that does as it is told."""

import asyncio
import time
from collections.abc import Callable, Sequence

import pytest

from syncline_contracts import codec
from syncline_contracts.dead_letter import DeadLetter
from syncline_contracts.errors import EmbedderUnavailable, IndexUnavailable, StorageUnavailable, UnsupportedSchema
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_contracts.revision import Clock
from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.outcome import Buried, Deferred, Handled, Outcome
from syncline_store.indexing.outcome import Done as How
from syncline_sync_worker.handler import Done, Handler, HandlerSettings, Pause, Undecodable, decode
from syncline_sync_worker.observability.metrics import Metrics

QUICK = HandlerSettings(first_retry=0.001, longest_retry=0.01, retry_for=0.2, deadline=5, open_for=0.05)
REF = Ref("acme", ("notes",), "n1")
EVENT = ChangeEvent.of(REF, 64, Kind.WRITE, first_at=64)


class Indexer:
    """Answers by what `answer` gives or raises for each call."""

    def __init__(self, answer: Callable[[int], list[Outcome]]) -> None:
        self.answer = answer
        self.calls: list[Sequence[Delivery]] = []

    async def index(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        self.calls.append(deliveries)
        return self.answer(len(self.calls))


class Letters:
    """The one method of the dead letters that the handler calls."""

    def __init__(self, failures: int = 0) -> None:
        self.added: list[DeadLetter] = []
        self.failures = failures

    async def add(self, letters: Sequence[DeadLetter]) -> None:
        if self.failures:
            self.failures -= 1
            raise StorageUnavailable("the disk is full")
        self.added.extend(letters)


def handled(_call: int) -> list[Outcome]:
    return [Handled(REF, 64, How.EMBEDDED)]


def make(indexer: Indexer, letters: Letters | None = None, settings: HandlerSettings = QUICK, metrics: Metrics | None = None) -> Handler:
    return Handler(indexer, letters or Letters(), clock=Clock(), settings=settings, metrics=metrics)


def delivery() -> Delivery:
    return Delivery(EVENT, "outbox/0/1")


async def test_done_counts_the_outcomes() -> None:
    outcomes: list[Outcome] = [Handled(REF, 64, How.EMBEDDED), Handled(REF, 64, How.SKIPPED), Deferred(REF, 9), Buried(REF, 64, "e", "m")]
    metrics = Metrics()
    verdict = await make(Indexer(lambda _: outcomes), metrics=metrics).handle([delivery()])
    assert verdict == Done({"embed": 1, "skip_stale": 1, "defer": 1, "dead_letter": 1})
    assert metrics.registry.get_sample_value("syncline_handler_outcomes_total", {"outcome": "embed"}) == 1


async def test_an_outage_shorter_than_the_retries_is_not_noticed() -> None:
    def answer(call: int) -> list[Outcome]:
        if call < 4:
            raise IndexUnavailable("Qdrant restarts")
        return handled(call)

    indexer, metrics = Indexer(answer), Metrics()
    assert await make(indexer, metrics=metrics).handle([delivery()]) == Done({"embed": 1})
    assert len(indexer.calls) == 4
    assert metrics.registry.get_sample_value("syncline_handler_retries_total", {"error": "IndexUnavailable"}) == 3


async def test_an_outage_longer_than_all_retries_pauses_and_leaves_no_dead_letter() -> None:
    def answer(_call: int) -> list[Outcome]:
        raise EmbedderUnavailable("no route to host")

    indexer, letters = Indexer(answer), Letters()
    verdict = await make(indexer, letters).handle([delivery()])
    assert isinstance(verdict, Pause)
    assert isinstance(verdict.reason, EmbedderUnavailable)
    assert len(indexer.calls) > 3
    assert letters.added == []


async def test_while_a_part_is_left_alone_other_batches_pause_without_asking_it_and_one_probes() -> None:
    def answer(call: int) -> list[Outcome]:
        if call <= QUICK.open_after:
            raise EmbedderUnavailable("no route to host")
        return handled(call)

    indexer = Indexer(answer)
    handler = make(indexer)
    assert isinstance(await handler.handle([delivery()]), Pause)
    assert len(indexer.calls) == QUICK.open_after
    for verdict in await asyncio.gather(*(handler.handle([delivery()]) for _ in range(10))):
        assert isinstance(verdict, Pause)
        assert 0 < (verdict.reason.retry_after or 0) <= QUICK.open_for
    assert len(indexer.calls) == QUICK.open_after
    await asyncio.sleep(QUICK.open_for)
    assert await handler.handle([delivery()]) == Done({"embed": 1})
    assert len(indexer.calls) == QUICK.open_after + 1


async def test_a_part_that_asks_to_be_left_alone_is_not_asked_earlier() -> None:
    def answer(call: int) -> list[Outcome]:
        if call == 1:
            raise EmbedderUnavailable("429", retry_after=0.1)
        return handled(call)

    started = time.monotonic()
    assert isinstance(await make(Indexer(answer)).handle([delivery()]), Done)
    assert time.monotonic() - started >= 0.1


async def test_a_part_that_asks_for_longer_than_the_retries_last_pauses_at_once() -> None:
    def answer(_call: int) -> list[Outcome]:
        raise EmbedderUnavailable("429", retry_after=60)

    indexer = Indexer(answer)
    verdict = await make(indexer).handle([delivery()])
    assert isinstance(verdict, Pause)
    assert verdict.reason.retry_after == 60
    assert len(indexer.calls) == 1


async def test_a_batch_that_hangs_pauses_at_its_deadline() -> None:
    class Hanging(Indexer):
        async def index(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
            await asyncio.Event().wait()
            raise AssertionError

    settings = HandlerSettings(first_retry=0.001, retry_for=0.01, deadline=0.05)
    verdict = await make(Hanging(handled), settings=settings).handle([delivery()])
    assert isinstance(verdict, Pause)
    assert "0.05 s" in str(verdict.reason)


async def test_bytes_that_are_no_event_are_buried_with_their_bytes_and_their_batch_mates_handled() -> None:
    letters, indexer = Letters(failures=2), Indexer(handled)
    body, headers = codec.encode(EVENT)
    good = decode(body, headers, "kafka/events/0/7")
    bad = decode(b"\xff{", {"ce_id": "x"}, "kafka/events/0/8")
    assert isinstance(bad, Undecodable)
    verdict = await make(indexer, letters).handle([bad, good])
    assert verdict == Done({"undecodable": 1, "embed": 1})
    assert [len(call) for call in indexer.calls] == [1]
    (letter,) = letters.added
    assert letter.payload == b"\xff{"
    assert letter.headers == {"ce_id": "x"}
    assert letter.source == "kafka/events/0/8"
    assert letter.error == "UndecodableEvent"
    assert letter.document is None


async def test_a_batch_without_events_does_not_call_the_indexer() -> None:
    indexer, letters = Indexer(handled), Letters()
    bad = decode(b"[]", {}, "kafka/events/0/8")
    assert await make(indexer, letters).handle([bad]) == Done({"undecodable": 1})
    assert await make(indexer, letters).handle([]) == Done({})
    assert indexer.calls == []


async def test_an_error_that_is_no_outage_is_not_swallowed() -> None:
    def answer(_call: int) -> list[Outcome]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await make(Indexer(answer)).handle([delivery()])


def test_decoding_gives_the_event_its_bytes_and_its_place() -> None:
    body, headers = codec.encode(EVENT)
    assert decode(body, headers, "kafka/events/0/7") == Delivery(EVENT, "kafka/events/0/7", body, headers)


def test_a_newer_major_version_is_undecodable_and_says_so() -> None:
    body, headers = codec.encode(EVENT)
    bad = decode(body, {**headers, "ce_synclineversion": "9.0"}, "kafka/events/0/7")
    assert isinstance(bad, Undecodable)
    assert isinstance(bad.error, UnsupportedSchema)
    assert "upgrade" in bad.letter(5).message


def test_the_same_bytes_from_the_same_place_are_the_same_letter() -> None:
    one, again, other = (decode(b"junk", {}, f"kafka/events/0/{offset}") for offset in (7, 7, 8))
    assert isinstance(one, Undecodable)
    assert isinstance(again, Undecodable)
    assert isinstance(other, Undecodable)
    assert one.letter(1).id == again.letter(2).id != other.letter(1).id


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ValueError, match="retry_for must be shorter"):
        HandlerSettings(retry_for=60, deadline=30)
