"""Filling the next model's collection: only what it lacks, resumed by starting again, slowed down, in parts, beside live writes."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from syncline_contracts.errors import Unavailable
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_store.embedding.protocol import Vectors
from syncline_store.indexing.delivery import Delivery
from syncline_sync_worker.reconcile.scope import Scope
from syncline_sync_worker.reindex import Progress
from tests.parts.migrating import Migrating, Poisonable
from tests.parts.reconciling import N1, NOTES, long_text

REFS = [Ref("acme" if number % 2 else "other", NOTES, f"n{number}") for number in range(30)]
EVERYTHING = Scope()


@pytest.fixture
async def migrating(tmp_path: Path) -> AsyncIterator[Migrating]:
    """Thirty documents in the index in use, none in the next one."""
    async with Migrating.open(tmp_path) as opened:
        for ref in REFS:
            await opened.sides.put(ref, f"the text of {ref.key}")
        await opened.sides.handle()
        yield opened


def nothing(_: object) -> None:
    return


async def run(migrating: Migrating, scope: Scope = EVERYTHING, stop: asyncio.Event | None = None, rate: float | None = None) -> Progress:
    return await migrating.build().run(scope, stop or asyncio.Event(), rate=rate, tell=nothing, waiting=nothing)


async def in_step(migrating: Migrating) -> bool:
    return (await migrating.reconciler(migrating.side()).check()).findings == ()


async def test_a_build_fills_the_collection_and_a_second_one_embeds_nothing(migrating: Migrating) -> None:
    first = await run(migrating)
    assert (first.complete, first.handled, first.looked_at) == (True, 30, 30)
    assert await in_step(migrating)
    embedded = migrating.embedder.texts
    second = await run(migrating)
    assert (second.complete, second.handled, second.looked_at) == (True, 0, 30)
    assert migrating.embedder.texts == embedded == 30


async def test_one_that_was_stopped_goes_on_where_it_was(migrating: Migrating) -> None:
    stop = asyncio.Event()
    build = migrating.build()
    first = await build.run(EVERYTHING, stop, tell=lambda progress: stop.set() if progress.handled >= 8 else None, waiting=nothing)
    assert not first.complete
    assert 8 <= first.handled < 30
    second = await run(migrating)
    assert (second.complete, first.handled + second.handled) == (True, 30)
    assert migrating.embedder.texts == 30
    assert await in_step(migrating)


async def test_parts_at_the_same_time_come_to_the_whole_and_a_tenant_is_only_its_own(migrating: Migrating) -> None:
    of_one = await run(migrating, Scope("acme"))
    assert of_one.handled == 15
    parts = await asyncio.gather(*(run(migrating, Scope(None, part, 3)) for part in (1, 2, 3)))
    assert sum(part.handled for part in parts) == 15
    assert await in_step(migrating)


async def test_live_writes_during_a_build_win(migrating: Migrating) -> None:
    """Through both indexers, as a worker does; some documents change after the build read them, some are new, some go."""
    writes = iter(REFS)

    async def live() -> None:
        for number, ref in enumerate(writes):
            if number % 3 == 0:
                await migrating.sides.put(ref, long_text(f"newer {ref.key}", "and longer"))
            elif number % 3 == 1:
                await migrating.sides.delete(ref)
            await migrating.handle()

    _, built = await asyncio.gather(live(), run(migrating))
    assert built.complete
    assert await in_step(migrating)
    assert await migrating.living(migrating.next) == await migrating.living(migrating.sides.index)


async def test_what_is_stale_is_mended_and_what_is_gone_is_removed(migrating: Migrating) -> None:
    """Writes that reached the index in use only, as a process without `next` makes them."""
    await run(migrating)
    await migrating.sides.put(REFS[0], "newer")
    await migrating.sides.delete(REFS[1])
    await migrating.sides.handle()
    migrating.sides.time.forward(3600)
    found = (await migrating.reconciler(migrating.side()).check()).by_kind
    assert sum(found.values()) == 2
    assert (await run(migrating)).handled == 2
    assert await in_step(migrating)


async def test_what_was_deleted_a_moment_ago_is_removed_too(migrating: Migrating) -> None:
    """By a process without `next`: no live write will ever tell the next collection."""
    await run(migrating)
    await migrating.sides.delete(REFS[1])
    await migrating.sides.handle()
    assert (await run(migrating)).handled == 1
    assert await migrating.living(migrating.next) == await migrating.living(migrating.sides.index)


async def test_an_outage_is_waited_out_and_nothing_is_buried(migrating: Migrating) -> None:
    migrating.embedder.out = True
    told: list[Unavailable] = []

    def waiting(error: Unavailable) -> None:
        told.append(error)
        migrating.embedder.out = len(told) < 2

    async with asyncio.timeout(30):
        done = await migrating.build().run(EVERYTHING, asyncio.Event(), tell=nothing, waiting=waiting)
    assert done.complete
    assert len(told) == 2
    assert await migrating.letters() == []
    assert await in_step(migrating)


async def test_poison_is_a_dead_letter_that_names_the_model_and_the_rest_proceeds(migrating: Migrating) -> None:
    await migrating.sides.put(N1, "POISON")
    await migrating.sides.handle()
    done = await run(migrating)
    assert (done.complete, done.dead_letters) == (True, 1)
    (letter,) = await migrating.letters()
    assert letter.message.startswith("test/hash-8: ")
    assert len(await migrating.living(migrating.next)) == 29


async def test_a_rate_is_kept(migrating: Migrating) -> None:
    begun = time.monotonic()
    done = await run(migrating, rate=40)
    assert done.handled == 30
    assert time.monotonic() - begun >= 0.6


async def test_a_stop_ends_a_slow_one_at_once(migrating: Migrating) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(run(migrating, stop=stop, rate=0.01))
    while not await migrating.next.count():  # noqa: ASYNC110 - another task does it
        await asyncio.sleep(0.005)
    stop.set()
    async with asyncio.timeout(5):
        assert (await running).handled == 1


def test_progress_says_how_fast_and_how_long() -> None:
    progress = Progress(total=100)
    assert (progress.rate, progress.left) == (0.0, None)
    progress.look(10)
    progress.began -= 10
    progress._marks[0] = (progress._marks[0][0] - 10, 0, 0)
    progress.handle(20, 1)
    assert progress.rate == pytest.approx(2, rel=0.05)
    assert progress.left == pytest.approx(70 / 3, rel=0.05)
    progress.again()
    assert (progress.looked_at, progress.handled, progress.left) == (0, 20, None)


async def test_a_document_kept_out_of_the_index_stays_out(migrating: Migrating) -> None:
    await migrating.sides.put(Ref("acme", NOTES, "hidden"), "not to be found", indexed=False)
    await migrating.sides.handle()
    await run(migrating)
    assert await migrating.living(migrating.next) == {ref.key for ref in REFS}
    assert await in_step(migrating)


class Overtaken(Poisonable):
    """Something happens while a text is embedded: after the row was read, before its points are written."""

    def __init__(self, meanwhile: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self._meanwhile = meanwhile

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        vectors = await super().embed_documents(texts)
        await self._meanwhile()
        return vectors


async def test_a_live_write_that_overtakes_a_build_stays(tmp_path: Path) -> None:
    async with Migrating.open(tmp_path) as migrating:
        await migrating.sides.put(N1, "the older text")
        await migrating.sides.handle()

        async def newer() -> None:
            await migrating.sides.put(N1, "the newer text")
            await migrating.handle()

        await (
            dataclasses.replace(migrating, embedder=Overtaken(newer))
            .build()
            .run(EVERYTHING, asyncio.Event(), tell=nothing, waiting=nothing)
        )
        row, (point,) = await migrating.sides.row(N1), (await migrating.next.points([N1.document]))[N1.document]
        assert row is not None
        assert (point.revision, point.content_hash) == (row.revision, row.content_hash.hex())


async def test_what_a_live_write_brought_meanwhile_is_not_embedded_again(migrating: Migrating) -> None:
    """After the build's look at both sides, and before its turn."""
    brought: list[int] = []

    def live(progress: Progress) -> None:
        brought.append(progress.handled)

    async def bring() -> None:
        while not brought:  # noqa: ASYNC110 - the build tells
            await asyncio.sleep(0)
        await migrating.every().index([Delivery(ChangeEvent.of(ref, 0, Kind.WRITE, first_at=0), "live") for ref in REFS])

    build = migrating.build(per_range=1_000)
    _, done = await asyncio.gather(bring(), build.run(EVERYTHING, asyncio.Event(), rate=20, tell=live, waiting=nothing))
    assert done.handled == 30
    assert migrating.embedder.texts == 30
