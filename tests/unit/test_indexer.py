"""The indexer on a real engine and a real index: batches, poison, outages, and documents that grow and shrink."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np
import pytest
from qdrant_client import models

from syncline_contracts.dead_letter import DeadLetter
from syncline_contracts.errors import DocumentRefused, EmbedderUnavailable, IndexMismatch, IndexUnavailable, StorageUnavailable, Unavailable
from syncline_contracts.identity import Ref, point_id
from syncline_store.document import Write
from syncline_store.engines.protocol import NamespaceSettings
from syncline_store.index.changes import Upsert
from syncline_store.index.points import Field
from syncline_store.indexing import round as rounds
from syncline_store.indexing.deadline import LEAST, allowed
from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.indexer import Indexer
from syncline_store.indexing.outcome import Buried, Done, Handled
from syncline_store.settings import IndexingSettings
from tests.parts.clock import START
from tests.parts.embedders import BrokenEmbedder, HashEmbedder, OutableEmbedder, RefusingEmbedder
from tests.parts.through import Through
from tests.parts.world import GRACE, REF, SETTINGS, World, open_world

REFS = [Ref("acme", ("notes", str(number % 3)), f"n{number}") for number in range(100)]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with open_world() as opened:
        yield opened


async def letters(world: World, *, closed: bool = False) -> Sequence[DeadLetter]:
    return (await world.engine.dead_letters.scan(None, 1000, closed=closed)).items


def indexer(world: World, *, index: Any = None, engine: Any = None, settings: IndexingSettings = SETTINGS) -> Indexer:
    engine, index = engine or world.engine, index or world.index
    return Indexer(engine, index, world.embedder, clock=world.clock, settings=settings, tombstone_grace=GRACE)


# ------------------------------------------------------------------ documents that change


async def test_a_document_goes_from_0_to_1_to_40_to_3_to_1_passages_and_none_lingers(world: World) -> None:
    writes = [world.write(number, f"v{number}", passages) for number, passages in enumerate([0, 1, 40, 3, 1], 1)]
    for write in writes:
        await world.surface(write)
        await world.handle(write)
        await world.assert_in_step()


@pytest.mark.parametrize("late", [2, 3, 4])
async def test_a_late_older_version_leaves_no_passage(world: World, late: int) -> None:
    writes = [world.write(number, f"v{number}", passages) for number, passages in enumerate([0, 1, 40, 3, 1], 1)]
    await world.surface(*writes[:late])
    slow = world.start(writes[late - 1])
    await slow.until("heads")
    for write in writes[late:]:
        await world.surface(write)
        await world.handle(write)
    await slow.finish()
    await world.assert_in_step()
    assert len(await world.points()) == 1


async def test_a_document_without_text_is_a_head_without_a_vector(world: World) -> None:
    write = world.write(1, passages=0, fields={"n": 1})
    await world.surface(write)
    await world.handle(write)
    page = await world.index.filtered(models.Filter(must=[_field("n", 1)]), None, 10)
    assert [(found.ref, found.state.passages) for found in page.items] == [(REF, 1)]
    assert world.embedder.texts == 0


async def test_a_change_beside_the_text_embeds_nothing_and_reaches_every_passage(world: World) -> None:
    first, second = world.write(1, "a", 3, fields={"kind": "x"}), world.write(2, "a", 3, fields={"kind": "y", "sub": {"n": 1}})
    second_event = second.event
    await world.engine.namespaces.ensure(REF.tenant, REF.namespace, NamespaceSettings(fields=("text",)))
    await world.surface(first)
    await world.handle(first)
    await world.surface(second)
    (outcome,) = await world.handle(second)
    assert outcome == Handled(REF, second_event.revision, Done.REFRESHED)
    assert world.embedder.texts == 3
    found = await world.index.search(world.embedder.vectors(["q"])[0], models.Filter(must=[_field("kind", "y"), _field("sub.n", 1)]), 10)
    assert len(found) == 3
    await world.assert_in_step()


async def test_a_documents_own_paths_say_what_is_embedded(world: World) -> None:
    first = world.write(1, "a", 1, fields={"title": "only this"})
    second = Write(first.value, first.content_hash, '["title"]', world.write(2).event)
    await world.surface(first)
    await world.handle(first)
    await world.surface(second)
    (outcome,) = await world.handle(second)
    assert outcome == Handled(REF, START + 2, Done.EMBEDDED)
    (best,) = await world.index.search(world.embedder.vectors(["only this"])[0], models.Filter(), 1)
    assert best.score == pytest.approx(1.0, abs=1e-5)
    assert best.span == (0, 9)


async def test_a_repair_cuts_anew_when_passages_are_to_be_longer(world: World) -> None:
    write = world.write(1, "a", 8)
    await world.surface(write)
    await world.handle(write)
    assert len(await world.points()) == 8
    longer = indexer(world, settings=SETTINGS.model_copy(update={"passage_tokens": 64}))
    await longer.index([world.repair(1)])
    points = await world.points()
    assert [point.passage for point in points] == list(range(points[0].passages)) == [0, 1]


async def test_a_point_whose_payload_somebody_damaged_is_mended(world: World) -> None:
    write = world.write(1, "a", 3)
    await world.surface(write)
    await world.handle(write)
    ids = [point_id(REF.document, passage) for passage in range(3)]
    damage: dict[str, Any] = {"revision": "soon", "expires_at": None, "mark": 7, "passages": "many"}
    await world.index._client.call(lambda qdrant: qdrant.set_payload("syncline", damage, points=ids))
    await world.handle(write)
    await world.assert_in_step()


async def test_half_a_surrogate_pair_buries_its_document_alone(world: World) -> None:
    good = world.write(1, "a", ref=REFS[0])
    bad = Write('{"text": "\\ud800 ' + "word " * 50 + '"}', bytes(16), "", world.write(2, ref=REFS[1]).event)
    await world.surface(good, bad)
    first, second = await world.handle(good, bad)
    assert isinstance(first, Handled)
    assert isinstance(second, Buried)


# ------------------------------------------------------------------ poison


async def test_one_poison_document_in_a_hundred_buries_only_itself() -> None:
    async with open_world(RefusingEmbedder()) as world:
        writes = [world.write(number + 1, "POISON" if number == 57 else f"t{number}", 2, ref=ref) for number, ref in enumerate(REFS)]
        await world.surface(*writes)
        outcomes = await world.handle(*writes)
        assert [number for number, outcome in enumerate(outcomes) if isinstance(outcome, Buried)] == [57]
        await world.assert_in_step(*REFS[:57], *REFS[58:])
        (letter,) = await letters(world)
        assert (letter.ref, letter.revision, letter.attempts, letter.error) == (REFS[57], START + 58, SETTINGS.attempts, "DocumentRefused")
        assert letter.payload.startswith(b"{")
        assert letter.source == "outbox/0/1"


async def test_a_buried_documents_letter_is_resolved_when_it_is_indexed() -> None:
    async with open_world(RefusingEmbedder()) as world:
        poison = world.write(1, "POISON")
        await world.surface(poison)
        await world.handle(poison)
        await world.handle(poison)
        (letter,) = await letters(world)
        assert letter.attempts == 2 * SETTINGS.attempts, "there is one open letter a document"
        cured = world.write(2, "fine")
        await world.surface(cured)
        await world.handle(cured)
        assert await letters(world) == []
        assert len(await letters(world, closed=True)) == 1


async def test_a_replay_of_a_buried_document_resolves_its_letter() -> None:
    embedder = RefusingEmbedder()
    async with open_world(embedder) as world:
        poison = world.write(1, "POISON")
        await world.surface(poison)
        await world.handle(poison)
        embedder.refuses = False
        await world.handle(world.repair(1))
        assert await letters(world) == []
        await world.assert_in_step()


async def test_a_spec_that_is_no_list_of_paths_is_buried(world: World) -> None:
    good = world.write(1, "a", ref=REFS[0])
    bad = Write("{}", bytes(16), "nonsense", world.write(2, ref=REFS[1]).event)
    await world.surface(good, bad)
    first, second = await world.handle(good, bad)
    assert isinstance(first, Handled)
    assert isinstance(second, Buried)
    assert "index_spec" in second.message


async def test_what_the_index_refuses_is_isolated_too(world: World) -> None:
    async def upsert(operations: Sequence[Upsert]) -> None:
        if any(point.payload[Field.KEY] == "n7" for operation in operations for point in operation.points):
            raise DocumentRefused("400: payload")
        await world.index.upsert(operations)

    writes = [world.write(number + 1, f"t{number}", 2, ref=ref) for number, ref in enumerate(REFS[:20])]
    await world.surface(*writes)
    handler = indexer(world, index=Through(world.index, upsert=upsert))
    outcomes = await handler.index([_deliver(write) for write in writes])
    assert [outcome.ref.key for outcome in outcomes if isinstance(outcome, Buried)] == ["n7"]
    await world.assert_in_step(*REFS[:7], *REFS[8:20])


# ------------------------------------------------------------------ outages


async def test_an_outage_of_the_embedder_buries_nothing_however_often_it_is_met() -> None:
    embedder = OutableEmbedder()
    async with open_world(embedder) as world:
        writes = [world.write(number + 1, f"t{number}", ref=ref) for number, ref in enumerate(REFS[:5])]
        await world.surface(*writes)
        embedder.out = True
        for _ in range(3 * SETTINGS.attempts):
            with pytest.raises(EmbedderUnavailable):
                await world.handle(*writes)
        assert await letters(world) == []
        assert await world.index.count() == 0
        embedder.out = False
        await world.handle(*writes)
        await world.assert_in_step(*REFS[:5])


@pytest.mark.parametrize("method", ["points", "upsert", "remove", "refresh"])
async def test_an_outage_of_the_index_at_any_step_passes_through(world: World, method: str) -> None:
    async def out(_: Any) -> Any:
        raise IndexUnavailable("gone")

    writes = [world.write(1, "a", 3, ref=REFS[0]), world.write(1, "a", ref=REFS[1]), world.write(1, "a", ref=REFS[2])]
    later = [world.write(2, "b", 1, ref=REFS[0]), world.write(2, "a", ref=REFS[1]), world.write(2, "c", 2, ref=REFS[2])]
    await world.surface(*writes)
    await world.handle(*writes)
    await world.surface(*later)
    with pytest.raises(IndexUnavailable):
        await indexer(world, index=Through(world.index, **{method: out})).index([_deliver(write) for write in later])
    assert await letters(world) == []
    await world.handle(*later)
    await world.assert_in_step(*REFS[:3])


async def test_an_outage_of_the_storage_passes_through(world: World) -> None:
    async def out(_: Any) -> Any:
        raise StorageUnavailable("gone")

    write = world.write(1, "a")
    engine = Through(world.engine, documents=Through(world.engine.documents, read=out))
    with pytest.raises(Unavailable):
        await indexer(world, engine=engine).index([_deliver(write)])


async def test_an_index_that_does_not_keep_what_it_took_is_an_outage(world: World) -> None:
    async def forget(_: Any) -> None:
        return

    write = world.write(1, "a")
    await world.surface(write)
    with pytest.raises(IndexUnavailable, match="does not hold what was written"):
        await indexer(world, index=Through(world.index, upsert=forget)).index([_deliver(write)])
    assert await letters(world) == []


# ------------------------------------------------------------------ embedders that are wrong


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda vectors: vectors[:, :-1], IndexMismatch),
        (lambda vectors: vectors[:-1], EmbedderUnavailable),
        (lambda vectors: np.vstack([vectors, vectors[:1]]), EmbedderUnavailable),
        (lambda vectors: vectors[0], EmbedderUnavailable),
    ],
    ids=["wrong dimension", "one too few", "one too many", "no table"],
)
async def test_a_wrong_embedder_is_refused_before_anything_is_written(spoil: Any, error: type[Exception]) -> None:
    async with open_world(BrokenEmbedder(spoil)) as world:
        write = world.write(1, "a", 2)
        await world.surface(write)
        with pytest.raises(error):
            await world.handle(write)
        assert await world.index.count() == 0
        assert await letters(world) == []


async def test_a_vector_that_is_not_finite_buries_its_document_alone() -> None:
    class Spoilt(HashEmbedder):
        async def embed_documents(self, texts: Sequence[str]) -> Any:
            vectors = await super().embed_documents(texts)
            vectors[[number for number, text in enumerate(texts) if "POISON" in text]] = np.nan
            return vectors

    async with open_world(Spoilt()) as world:
        writes = [world.write(number + 1, "POISON" if number == 3 else f"t{number}", ref=ref) for number, ref in enumerate(REFS[:8])]
        await world.surface(*writes)
        outcomes = await world.handle(*writes)
        assert [number for number, outcome in enumerate(outcomes) if isinstance(outcome, Buried)] == [3]
        assert await world.points(REFS[3]) == []


# ------------------------------------------------------------------ batches


async def test_outcomes_stand_in_the_order_of_the_deliveries_whatever_the_batches(world: World) -> None:
    writes = [world.write(number + 1, f"t{number}", ref=ref) for number, ref in enumerate(REFS)]
    await world.surface(*writes)
    small = indexer(world, settings=SETTINGS.model_copy(update={"max_batch": 7}))
    deliveries = [_deliver(write) for write in [*writes, *reversed(writes)]]
    outcomes = await small.index(deliveries)
    assert [outcome.ref for outcome in outcomes] == [delivery.event.ref for delivery in deliveries]
    await world.assert_in_step(*REFS)
    assert await small.index([]) == []


async def test_what_is_more_than_a_round_holds_goes_into_the_next(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "MAX_PASSAGES", 5)
    writes = [world.write(number + 1, f"t{number}", 1 + 7 * (number % 2), ref=ref) for number, ref in enumerate(REFS[:10])]
    await world.surface(*writes)
    outcomes = await world.handle(*writes)
    assert {outcome.how for outcome in outcomes if isinstance(outcome, Handled)} == {Done.EMBEDDED}
    await world.assert_in_step(*REFS[:10])
    assert max(world.embedder.calls) <= 8


async def test_texts_go_to_the_embedder_together_in_calls_as_large_as_it_takes() -> None:
    async with open_world(HashEmbedder(max_texts=30)) as world:
        writes = [world.write(number + 1, f"t{number}", ref=ref) for number, ref in enumerate(REFS)]
        await world.surface(*writes)
        await world.handle(*writes)
        assert world.embedder.calls == [30, 30, 30, 10]


def test_the_deadline_is_at_most_half_of_the_grace() -> None:
    assert allowed(300, 7 * 24 * 3600 * 1_000_000) == 300_000_000
    assert allowed(300, 100_000_000) == 50_000_000
    assert allowed(300, 0) == LEAST


def _deliver(write: Write) -> Delivery:
    return Delivery(write.event, "test")


def _field(path: str, value: str | int) -> models.FieldCondition:
    return models.FieldCondition(key=f"{Field.FIELDS}.{path}", match=models.MatchValue(value=value))
