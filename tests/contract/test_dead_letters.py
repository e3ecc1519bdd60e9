"""What every dead-letter queue must do, once for each implementation: the storage engines' tables, a table with a topic."""

import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from syncline_contracts.dead_letter import LONGEST_MESSAGE, REASONS, Closed, DeadLetter
from syncline_contracts.identity import Ref
from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import DeadLetters, Engine
from syncline_sync_worker.dead_letters.kafka import EngineWithTopic
from tests.contract.conftest import OpenEngine
from tests.contract.engines import ENGINES, Implementation
from tests.parts.clock import SECOND, START, ManualClock
from tests.parts.servers.kafka import KafkaServer
from tests.parts.topics import kafka_settings, make_topics

TOPIC = Implementation("sqlite and a topic", ENGINES[0].open)
REF = Ref("acme", ("notes", "a\x01b"), "n1")


@pytest.fixture(params=[*ENGINES, TOPIC], ids=lambda implementation: implementation.name)
async def implementation(request: pytest.FixtureRequest) -> Implementation:
    found: Implementation = request.param
    return await _with_topic(found, request.getfixturevalue("kafka")) if found is TOPIC else found


async def _with_topic(table: Implementation, server: KafkaServer) -> Implementation:
    settings = kafka_settings(server.address)
    await make_topics(settings)

    async def open_both(folder: Path, clock: Clock) -> Engine:
        return EngineWithTopic(await table.open(folder, clock), settings)

    return replace(table, open=open_both)


def letter(ref: Ref = REF, revision: int = 64, at: int = START, **changes: object) -> DeadLetter:
    return DeadLetter(
        document=ref.document,
        tenant=ref.tenant,
        namespace=ref.namespace,
        key=ref.key,
        revision=revision,
        payload=b'{"key": "n1"}',
        headers={"ce_id": "x", "traceparent": "00-ab-cd-01"},
        source="outbox/0/1",
        error="DocumentRefused",
        message="not embeddable: \N{SNOWMAN}",
        first_at=at,
        last_at=at,
    ).model_copy(update=changes)


def bytes_only(at: int = START) -> DeadLetter:
    return DeadLetter(
        document=None, payload=b"\x00\xff\xfe", source="kafka/e/0/7", error="UndecodableEvent", message="no", first_at=at, last_at=at
    )


def of(key: str) -> Ref:
    return Ref("acme", ("notes",), key)


async def scanned(letters: DeadLetters, *, closed: bool = False, limit: int = 2) -> list[DeadLetter]:
    found: list[DeadLetter] = []
    after: str | None = None
    while True:
        page = await letters.scan(after, limit, closed=closed)
        assert len(page.items) <= limit
        found += page.items
        if (after := page.after) is None:
            return found


async def test_a_letter_is_kept_as_it_is(engine: Engine) -> None:
    sent = [letter(), bytes_only()]
    await engine.dead_letters.add(sent)
    assert [await engine.dead_letters.get(one.id) for one in sent] == sent
    assert sent[0].ref == REF
    assert await engine.dead_letters.get(uuid.uuid4()) is None


async def test_letters_outlive_the_process(engine: Engine, another: Engine) -> None:
    sent = letter()
    await engine.dead_letters.add([sent])
    assert await another.dead_letters.get(sent.id) == sent


async def test_adding_nothing_does_nothing(engine: Engine) -> None:
    await engine.dead_letters.add([])
    assert await scanned(engine.dead_letters) == []


async def test_a_document_has_one_open_letter_and_a_further_failure_counts_its_attempts(engine: Engine) -> None:
    first = letter(attempts=3)
    await engine.dead_letters.add([first])
    again = letter(revision=128, at=START + 5 * SECOND, attempts=3, message="still not", payload=b"newer", source="outbox/1/2")
    await engine.dead_letters.add([again])
    (found,) = await scanned(engine.dead_letters)
    assert found == again.model_copy(update={"id": first.id, "first_at": first.first_at, "attempts": 6})


async def test_two_letters_of_one_document_in_one_call_are_one(engine: Engine) -> None:
    await engine.dead_letters.add([letter(attempts=1), letter(attempts=1), letter(of("other"))])
    assert sorted(found.attempts for found in await scanned(engine.dead_letters)) == [1, 2]


async def test_bytes_without_a_document_each_have_a_letter_and_the_same_letter_twice_is_one(engine: Engine) -> None:
    one, other = bytes_only(), bytes_only()
    await engine.dead_letters.add([one, other])
    await engine.dead_letters.add([one])
    assert {found.id for found in await scanned(engine.dead_letters)} == {one.id, other.id}


async def test_they_are_listed_oldest_first_page_by_page(engine: Engine) -> None:
    letters = [letter(of(str(number)), at=START + (number % 4) * SECOND) for number in range(11)]
    await engine.dead_letters.add(letters)
    found = await scanned(engine.dead_letters, limit=3)
    assert {one.id for one in found} == {one.id for one in letters}
    assert len(found) == len(letters)
    assert [one.first_at for one in found] == sorted(one.first_at for one in letters)


async def test_closing_says_why_and_when_and_leaves_the_listing(engine: Engine, now: ManualClock) -> None:
    kept, gone = letter(of("kept")), letter(of("gone"))
    await engine.dead_letters.add([kept, gone])
    closed_at = now.forward(60)
    assert await engine.dead_letters.close([gone.id, uuid.uuid4()], Closed.DISCARDED, "binary junk") == 1
    assert [one.id for one in await scanned(engine.dead_letters)] == [kept.id]
    assert {one.id for one in await scanned(engine.dead_letters, closed=True)} == {kept.id, gone.id}
    found = await engine.dead_letters.get(gone.id)
    assert found is not None
    assert (found.closed, found.closed_at, found.note) == (Closed.DISCARDED, closed_at, "binary junk")


async def test_a_closed_letter_stays_as_it_is(engine: Engine) -> None:
    one = letter()
    await engine.dead_letters.add([one])
    await engine.dead_letters.close([one.id], Closed.DISCARDED, "first")
    assert await engine.dead_letters.close([one.id], Closed.REPLAYED) == 0
    found = await engine.dead_letters.get(one.id)
    assert found is not None
    assert (found.closed, found.note) == (Closed.DISCARDED, "first")


async def test_a_document_fails_anew_after_its_letter_was_closed(engine: Engine) -> None:
    one, later = letter(), letter(revision=128)
    await engine.dead_letters.add([one])
    await engine.dead_letters.close([one.id], Closed.DISCARDED)
    await engine.dead_letters.add([later])
    assert [found.id for found in await scanned(engine.dead_letters)] == [later.id]


async def test_what_was_discarded_is_opened_again_by_a_higher_revision_alone(engine: Engine) -> None:
    """An event comes at least once: again after the operator has given its document up."""
    one, same, newer = letter(revision=64), letter(revision=64, at=START + SECOND), letter(revision=128, at=START + 2 * SECOND)
    await engine.dead_letters.add([one])
    await engine.dead_letters.close([one.id], Closed.DISCARDED)
    await engine.dead_letters.add([same, letter(revision=63)])
    assert await scanned(engine.dead_letters) == []
    assert list(await engine.dead_letters.reasons(one.id)) == [one.reason]
    await engine.dead_letters.add([newer])
    assert await scanned(engine.dead_letters) == [newer]
    await engine.dead_letters.add([letter(revision=128, at=START + 3 * SECOND)])
    assert [found.attempts for found in await scanned(engine.dead_letters)] == [2]
    assert await engine.dead_letters.resolve({REF.document: 128}) == 1
    assert await scanned(engine.dead_letters) == []


@pytest.mark.parametrize("why", [Closed.RESOLVED, Closed.REPLAYED])
async def test_what_was_made_good_and_fails_again_has_a_new_letter(engine: Engine, why: Closed) -> None:
    one, again = letter(), letter(at=START + SECOND)
    await engine.dead_letters.add([one])
    await engine.dead_letters.close([one.id], why)
    await engine.dead_letters.add([again])
    assert await scanned(engine.dead_letters) == [again]


async def test_a_document_that_was_indexed_resolves_its_letter_unless_a_newer_state_failed(engine: Engine) -> None:
    old, new, other = letter(of("old"), revision=64), letter(of("new"), revision=128), letter(of("other"))
    await engine.dead_letters.add([old, new, other, bytes_only()])
    assert await engine.dead_letters.resolve({of("old").document: 64, of("new").document: 64, of("none").document: 64}) == 1
    found = await engine.dead_letters.get(old.id)
    assert found is not None
    assert found.closed is Closed.RESOLVED
    assert len(await scanned(engine.dead_letters)) == 3
    assert await engine.dead_letters.resolve({}) == 0


async def test_two_processes_that_bury_one_document_make_one_letter(engine: Engine, open_engine: OpenEngine, another: Engine) -> None:
    await engine.dead_letters.add([letter(attempts=1)])
    await another.dead_letters.add([letter(attempts=1)])
    assert [found.attempts for found in await scanned(engine.dead_letters)] == [2]


async def test_the_last_ten_reasons_of_a_letter_are_remembered_newest_first(engine: Engine) -> None:
    first = letter(attempts=3)
    for number in range(REASONS + 3):
        failure = letter(revision=64 + number, at=START + number * SECOND, attempts=number + 1, message=f"no {number} " + "x" * 5_000)
        await engine.dead_letters.add([failure if number else first])
    reasons = await engine.dead_letters.reasons(first.id)
    assert [reason.revision for reason in reasons] == [64 + number for number in range(REASONS + 2, 2, -1)]
    assert [reason.at for reason in reasons] == [START + number * SECOND for number in range(REASONS + 2, 2, -1)]
    assert reasons[0].attempts == REASONS + 3
    assert reasons[0].error == "DocumentRefused"
    assert reasons[0].message.startswith(f"no {REASONS + 2} x")
    assert len(reasons[0].message) == LONGEST_MESSAGE


async def test_each_letter_has_its_own_reasons(engine: Engine) -> None:
    one, other, raw = letter(of("one")), letter(of("other"), message="another"), bytes_only()
    await engine.dead_letters.add([one, other, raw])
    await engine.dead_letters.add([raw])
    assert list(await engine.dead_letters.reasons(other.id)) == [other.reason]
    assert list(await engine.dead_letters.reasons(raw.id)) == [raw.reason]
    assert list(await engine.dead_letters.reasons(uuid.uuid4())) == []


async def test_a_document_that_fails_anew_does_not_write_into_its_closed_letters_reasons(engine: Engine) -> None:
    one, later = letter(), letter(revision=128, at=START + SECOND)
    await engine.dead_letters.add([one])
    await engine.dead_letters.close([one.id], Closed.DISCARDED)
    await engine.dead_letters.add([later])
    assert list(await engine.dead_letters.reasons(one.id)) == [one.reason]
    assert list(await engine.dead_letters.reasons(later.id)) == [later.reason]


async def test_a_letter_ends_a_month_after_it_was_closed_and_never_while_it_is_open(
    engine: Engine, implementation: Implementation, now: ManualClock
) -> None:
    if implementation.own_time:
        pytest.skip("its server decides when: tests/integration/test_cql_letters.py")
    month = 30 * 24 * 3600
    still_open, closed = letter(of("open")), [letter(of(why.value)) for why in Closed]
    await engine.dead_letters.add([still_open, *closed])
    now.forward(2 * month)
    for one, why in zip(closed, Closed, strict=True):
        assert await engine.dead_letters.close([one.id], why) == 1
    assert await engine.expire(now.forward(month - 1)) == 0
    assert len(await scanned(engine.dead_letters, closed=True)) == 1 + len(closed)
    assert await engine.expire(now.forward(1)) == len(closed)
    assert await scanned(engine.dead_letters, closed=True) == [still_open]
    assert [list(await engine.dead_letters.reasons(one.id)) for one in closed] == [[] for _ in closed]
    assert list(await engine.dead_letters.reasons(still_open.id)) == [still_open.reason]
    await engine.dead_letters.add(closed)
    assert len(await scanned(engine.dead_letters)) == 1 + len(closed), "nothing of an ended letter stands in the way of another"


async def test_many_closed_letters_end_in_one_call(engine: Engine, implementation: Implementation, now: ManualClock) -> None:
    if implementation.own_time:
        pytest.skip("its server decides when")
    letters = [letter(of(f"n{number}")) for number in range(1_234)]
    await engine.dead_letters.add(letters)
    assert await engine.dead_letters.close([one.id for one in letters], Closed.RESOLVED) == 1_234
    assert await engine.expire(now.forward(30 * 24 * 3600)) == 1_234
    assert await scanned(engine.dead_letters, closed=True, limit=10) == []
