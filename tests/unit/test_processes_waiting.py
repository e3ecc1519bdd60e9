"""How a process waits for its parts, and what it says of its batches and documents."""

import asyncio
import json
import uuid
from collections.abc import Iterator

import pytest
import structlog

from syncline_contracts.errors import ConfigurationError, StorageUnavailable, TransportUnavailable
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.outcome import Buried, Deferred, Handled, Outcome
from syncline_store.indexing.outcome import Done as How
from syncline_sync_worker.handler import Done, Pause, Undecodable, Verdict
from syncline_sync_worker.observability.health import Health
from syncline_sync_worker.processes import trouble as troubles
from syncline_sync_worker.processes import waiting
from syncline_sync_worker.processes.telling import TellingHandler, TellingIndexer, trace_id
from syncline_sync_worker.processes.trouble import Trouble
from syncline_sync_worker.processes.waiting import look_after, patiently
from syncline_sync_worker.transport.backoff import unless
from tests.parts.consuming import until

STORAGE = "the storage cql://x/y"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FIRST", 0.01)
    monkeypatch.setattr(waiting, "LONGEST", 0.02)
    monkeypatch.setattr(waiting, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(waiting, "LOOK_FOR", 0.05)


@pytest.fixture
def health() -> Health:
    made = Health(asyncio.Event())
    made.started()
    return made


class Part:
    """Away for so many tries; then it opens, or refuses for good."""

    def __init__(self, away: int = 0, refuses: Exception | None = None) -> None:
        self.away = away
        self.refuses = refuses
        self.tries = 0

    async def open(self) -> str:
        self.tries += 1
        if self.tries <= self.away:
            raise StorageUnavailable("no server answers")
        if self.refuses is not None:
            raise self.refuses
        return "open"


class TestOpening:
    async def test_a_part_that_is_away_is_waited_for(self, health: Health) -> None:
        part = Part(away=3)
        assert await patiently(STORAGE, part.open, health) == "open"
        assert part.tries == 4

    async def test_meanwhile_the_health_says_for_what(self, health: Health) -> None:
        opening = asyncio.create_task(patiently(STORAGE, Part(away=10_000).open, health))
        await until(lambda: health.report.waits == (f"waiting for {STORAGE}: no server answers",), 5)
        opening.cancel()
        await asyncio.wait([opening])

    async def test_what_waiting_cannot_mend_is_raised_at_once(self, health: Health) -> None:
        part = Part(refuses=ConfigurationError("wrong password"))
        with pytest.raises(ConfigurationError, match="wrong password"):
            await patiently(STORAGE, part.open, health)
        assert part.tries == 1

    async def test_a_stop_ends_the_wait(self, health: Health) -> None:
        stop = asyncio.Event()
        waiting_ = asyncio.create_task(unless(stop, patiently(STORAGE, Part(away=10_000).open, health)))
        await until(lambda: bool(health.report.waits), 5)
        stop.set()
        async with asyncio.timeout(1):
            assert await waiting_ is None

    async def test_without_a_stop_the_work_is_done(self) -> None:
        assert await unless(asyncio.Event(), Part().open()) == "open"

    async def test_cancelling_cancels_the_work(self) -> None:
        ended = asyncio.Event()

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        task = asyncio.create_task(unless(asyncio.Event(), work()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()


class TestLooks:
    async def test_who_does_not_answer_is_named_until_it_does(self, health: Health) -> None:
        stop, answers = asyncio.Event(), asyncio.Event()
        looking = asyncio.create_task(look_after({STORAGE: answers.wait}, health, stop))
        await until(lambda: health.report.waits == (f"waiting for {STORAGE}: no answer within 0.05 s",), 5)
        answers.set()
        beating = asyncio.create_task(health.beat())
        await until(lambda: health.report.waits == (), 5)
        beating.cancel()
        stop.set()
        async with asyncio.timeout(1):
            await looking

    async def test_an_error_is_told_and_one_part_does_not_hold_up_another(self, health: Health) -> None:
        stop = asyncio.Event()

        async def refused() -> None:
            raise ConfigurationError("the topic does not exist")

        looking = asyncio.create_task(look_after({STORAGE: asyncio.Event().wait, "Kafka": refused}, health, stop))
        await until(lambda: set(health._out) == {STORAGE, "Kafka"}, 5)
        assert health._out["Kafka"] == "the topic does not exist"
        stop.set()
        await looking


class TestTrouble:
    def test_it_lasts_until_something_worked(self) -> None:
        trouble = Trouble("nothing is published")
        assert trouble.reasons() == ()
        trouble.failed(TransportUnavailable("no broker"))
        assert trouble.reasons() == ("nothing is published: no broker",)
        trouble.worked()
        assert trouble.reasons() == ()

    def test_it_is_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Another process may have taken over what failed here, so that nothing will ever succeed here."""
        monkeypatch.setattr(troubles, "FORGOTTEN", 0.0)
        trouble = Trouble("nothing is published")
        trouble.failed(TransportUnavailable("no broker"))
        assert trouble.reasons() == ()


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def some_delivery(key: str) -> Delivery:
    event = ChangeEvent(
        tenant="t", namespace=("n",), key=key, revision=7, kind=Kind.WRITE, first_at=1, traceparent=f"00-{TRACE}-00f067aa0ba902b7-01"
    )
    return Delivery(event=event, source=f"kafka/events/0/{key}")


class Answering:
    """A handler and an indexer that answer what the test says."""

    def __init__(self, verdict: Verdict | None = None, outcomes: list[Outcome] | None = None) -> None:
        self.verdict = verdict or Done()
        self.outcomes = outcomes or []

    async def handle(self, deliveries: object) -> Verdict:
        structlog.get_logger().warning("from within")
        return self.verdict

    async def index(self, deliveries: object) -> list[Outcome]:
        return self.outcomes


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[list[dict[str, object]]]:
    found: list[dict[str, object]] = []

    def keep(_logger: object, method: str, line: structlog.typing.EventDict) -> str:
        found.append({**line, "level": method})
        return ""

    structlog.configure(processors=[structlog.contextvars.merge_contextvars, keep], logger_factory=structlog.PrintLoggerFactory())
    yield found
    structlog.reset_defaults()


class TestTelling:
    async def test_lines_of_a_batch_name_it(self, lines: list[dict[str, object]]) -> None:
        await TellingHandler(Answering(), Trouble("x")).handle([some_delivery("3"), some_delivery("4")])
        assert {(line["event"], line["batch"], line["events"]) for line in lines} == {
            ("from within", "kafka/events/0/3", 2),
            ("handled a batch", "kafka/events/0/3", 2),
        }

    async def test_a_pause_is_trouble_until_a_batch_is_done(self) -> None:
        trouble, deliveries = Trouble("handling pauses"), [some_delivery("3")]
        await TellingHandler(Answering(Pause(StorageUnavailable("away"))), trouble).handle(deliveries)
        assert trouble.reasons() == ("handling pauses: away",)
        await TellingHandler(Answering(Done()), trouble).handle(deliveries)
        assert trouble.reasons() == ()

    async def test_a_batch_of_nothing_but_poison(self, lines: list[dict[str, object]]) -> None:
        poison = Undecodable(b"x", {}, "kafka/events/0/9", None)  # type: ignore[arg-type] # the error is not looked at
        await TellingHandler(Answering(), Trouble("x")).handle([poison])
        assert lines[0]["batch"] == "kafka/events/0/9"

    async def test_a_document_that_became_a_dead_letter_is_told_with_its_event_and_trace(self, lines: list[dict[str, object]]) -> None:
        deliveries = [some_delivery(key) for key in ("a", "b", "c")]
        refs = [delivery.event.ref for delivery in deliveries]
        outcomes: list[Outcome] = [
            Handled(refs[0], 7, How.EMBEDDED),
            Buried(refs[1], 7, "DocumentRefused", "too long"),
            Deferred(refs[2], 99),
        ]
        assert await TellingIndexer(Answering(outcomes=outcomes)).index(deliveries) == outcomes
        buried, deferred = lines
        assert buried["level"] == "warning"
        assert (buried["event_id"], buried["trace_id"], buried["document"]) == (str(deliveries[1].event.id), TRACE, str(refs[1].document))
        assert (deferred["level"], deferred["due"], deferred["document"]) == ("debug", 99, str(refs[2].document))

    async def test_an_outcome_without_its_event(self, lines: list[dict[str, object]]) -> None:
        stranger = Ref("t", ("n",), str(uuid.uuid4()))
        await TellingIndexer(Answering(outcomes=[Buried(stranger, 1, "DocumentRefused", "m")])).index([])
        assert (lines[0]["document"], lines[0]["event_id"]) == (str(stranger.document), None)

    def test_trace_ids(self) -> None:
        assert trace_id(f"00-{TRACE}-00f067aa0ba902b7-01") == TRACE
        assert trace_id(None) is trace_id("nonsense") is None


def test_lines_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    from syncline_sync_worker.observability.logs import set_up  # noqa: PLC0415 - stderr is the test's own only now

    set_up("json", "debug")
    structlog.get_logger().warning("waiting", part=STORAGE, error="away")
    assert json.loads(capsys.readouterr().err)["part"] == STORAGE
    structlog.reset_defaults()
