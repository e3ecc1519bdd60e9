"""The handler's scenarios of docs/protocol.md, H1 to H20: each trace that broke the first design, replayed on the real code.

A trace is walked with gates: which handler makes its next step is the test's to say.
"""

from collections.abc import AsyncIterator

import pytest
from qdrant_client import models

from syncline_contracts.errors import IndexUnavailable
from syncline_contracts.event import Kind
from syncline_contracts.identity import Ref, point_id
from syncline_store.document import Write
from syncline_store.index.changes import Upsert
from syncline_store.index.points import VECTOR, Mark
from syncline_store.indexing.outcome import Deferred, Done, Handled
from tests.parts.clock import START
from tests.parts.world import REF, World, open_world

OTHER = Ref("acme", ("notes",), "n2")


@pytest.fixture(params=["by id", "by filter", "server"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """Both write paths: local mode's, and the one that a server gets; that one on a server, too."""
    server = request.getfixturevalue("qdrant").url if request.param == "server" else None
    async with open_world(by_filter=request.param == "by filter", server=server) as opened:
        yield opened


async def test_h1_a_slow_older_handler_leaves_no_passage_of_a_document_that_shrank(world: World) -> None:
    first, second = world.write(1, "a", 2), world.write(2, "b", 1)
    await world.surface(first)
    older = world.start(first)
    await older.step("points")
    await older.step("rows")
    await world.surface(second)
    await world.handle(second)
    await older.finish()
    await world.assert_in_step()


@pytest.mark.parametrize("step", ["points", "rows", "passages", "heads", "remove"])
async def test_h1_whatever_step_the_older_handler_dies_before(world: World, step: str) -> None:
    first, second = world.write(1, "a", 2), world.write(2, "b", 1)
    await world.surface(first)
    older = world.start(first)
    await older.step("points")
    await older.step("rows")
    await world.surface(second)
    await world.handle(second)
    if step in ("passages", "heads", "remove"):
        await older.until(step)
    await older.crash()
    await world.handle(first)
    await world.assert_in_step()


async def test_h2_a_slow_older_handler_leaves_no_passage_of_a_deleted_document(world: World) -> None:
    first, deletion = world.write(1, "a", 2), world.write(2, deleted=True)
    await world.surface(first)
    older = world.start(first)
    await older.until("passages")
    await world.surface(deletion)
    await world.handle(deletion)
    await older.step("passages")
    assert any(point.live for point in await world.points()), "the late passages were not even there"
    await older.finish()
    await world.assert_in_step()
    (head,) = await world.points()
    assert head.mark is Mark.DELETED


async def test_h3_a_crash_between_passages_and_head_is_made_good_by_redelivery(world: World) -> None:
    write = world.write(1, "a", 2)
    await world.surface(write)
    handler = world.start(write)
    await handler.until("heads")
    await handler.crash()
    assert [point.passage for point in await world.points()] == [1], "the head comes last"
    await world.handle(write)
    await world.assert_in_step()


async def test_h3_a_document_whose_passage_was_lost_is_mended_by_a_repair(world: World) -> None:
    write = world.write(1, "a", 3)
    await world.surface(write)
    await world.handle(write)
    await _lose(world, 1)
    (outcome,) = await world.handle(world.repair(1))
    assert outcome == Handled(REF, START + 1, Done.EMBEDDED)
    await world.assert_in_step()


async def test_a_corrupt_vector_is_mended_by_a_repair_at_the_same_revision(world: World) -> None:
    write = world.write(1, "a", 2)
    await world.surface(write)
    await world.handle(write)
    wrong = models.PointVectors(id=point_id(REF.document, 1), vector={VECTOR: [1.0] * world.embedder.dimensions})
    await world.index._client.call(lambda qdrant: qdrant.update_vectors(world.index._collection, [wrong]))
    await world.handle(world.repair(1))
    await world.assert_in_step()


async def test_h4_a_crash_before_the_heads_tombstone_leaves_nothing_of_the_document(world: World) -> None:
    first, deletion = world.write(1, "a", 2), world.write(2, deleted=True)
    await world.surface(first)
    await world.handle(first)
    await world.surface(deletion)
    handler = world.start(deletion)
    await handler.until("remove")
    await handler.step("remove")
    await handler.crash()
    await world.handle(deletion)
    await world.assert_in_step()


async def test_h4_a_tombstone_whose_surplus_was_never_removed_is_settled_by_the_next_delivery(world: World) -> None:
    """The trace of the first design (head first) ends in this state; whatever made it, a skipped event clears it."""
    first, deletion = world.write(1, "a", 2), world.write(2, deleted=True)
    await world.surface(first)
    late = await _captured(world, first, "passages")
    await world.surface(deletion)
    await world.handle(deletion)
    await world.index.upsert(late)
    (outcome,) = await world.handle(deletion)
    assert outcome == Handled(REF, START + 2, Done.SKIPPED)
    await world.assert_in_step()


async def test_h5_a_refresh_does_not_put_its_revision_on_another_texts_vector(world: World) -> None:
    await _refresh_against_a_slow_handler(world, world.write(2, "b"))


async def test_h6_a_refresh_does_not_bring_a_tombstone_back_without_its_vector(world: World) -> None:
    await _refresh_against_a_slow_handler(world, world.write(2, deleted=True))


async def _refresh_against_a_slow_handler(world: World, between: Write) -> None:
    first, last = world.write(1, "a"), world.write(3, "a")
    await world.surface(first)
    await world.handle(first)
    await world.surface(between)
    slow = world.start(between)
    await slow.until("heads")
    await world.surface(last)
    refreshing = world.start(last)
    await refreshing.until("refresh")
    await slow.finish()
    (outcome,) = await refreshing.finish()
    assert outcome == Handled(REF, START + 3, Done.EMBEDDED), "settle sends a refresh that was refused back to embed"
    await world.assert_in_step()


async def test_h7_the_sweep_remembers_an_expired_revision_for_as_long_as_a_handler_may_take(world: World) -> None:
    first, expiring = world.write(1, "a"), world.write(2, "b", expires=1)
    await world.surface(first)
    older = world.start(first)
    await older.until("heads")
    await world.surface(expiring)
    await world.handle(expiring)
    world.tick()
    assert await world.sweep() == 0
    await older.finish()
    await world.assert_in_step()
    world.tick(2)
    assert await world.sweep() == 1
    await world.handle(first, expiring)
    await world.assert_in_step()


async def test_h7_what_expires_while_a_shared_guard_refuses_it_leaves_no_older_state(world: World) -> None:
    """Found with the model when guards were shared: the group's lowest revision refuses more than each one's own guard."""
    first, expiring, neighbour = world.write(5, "a"), world.write(9, "b", expires=1), world.write(2, "n", ref=OTHER)
    await world.surface(first, neighbour)
    older = world.start(first)
    await older.until("heads")
    await world.surface(expiring)
    batch = world.start(expiring, neighbour)
    await batch.until("heads")
    await older.finish()
    await batch.step("heads")
    world.tick()
    begun = world.clock.now()
    await batch.finish()
    world.tick(2)
    await world.handle(*await world.deferred(begun))
    await world.assert_in_step(REF, OTHER)


async def test_a_shared_guard_that_refuses_a_document_is_made_good_at_once(world: World) -> None:
    first, second, neighbour = world.write(5, "a"), world.write(9, "b"), world.write(2, "n", ref=OTHER)
    await world.surface(first, neighbour)
    older = world.start(first)
    await older.until("heads")
    await world.surface(second)
    batch = world.start(second, neighbour)
    await batch.until("heads")
    await older.finish()
    await batch.step("heads")
    (head,) = await world.points()
    assert head.revision == START + 5, "the shared guard let it through: this test tests nothing"
    await batch.finish()
    await world.assert_in_step(REF, OTHER)


async def test_h8_a_refreshed_ttl_reaches_the_index_at_the_same_revision(world: World) -> None:
    first = world.write(1, "a", expires=2)
    await world.surface(first)
    slow = world.start(first)
    await slow.until("heads")
    world.tick()
    refreshed = world.write(1, "a", expires=50, kind=Kind.TOUCH)
    begun = world.clock.now()
    (outcome,) = await world.handle(refreshed)
    assert isinstance(outcome, Deferred), "the row is behind its event by expires_at alone"
    await world.surface(refreshed)
    await slow.finish()
    world.tick()
    await world.handle(*await world.deferred(begun))
    await world.assert_in_step()
    world.tick(10)
    assert await world.sweep() == 0, "the sweep would delete a living document"


async def test_h8_a_touch_refreshes_payloads_and_embeds_nothing(world: World) -> None:
    first, refreshed = world.write(1, "a", 3, expires=2), world.write(1, "a", 3, expires=50, kind=Kind.TOUCH)
    await world.surface(first)
    await world.handle(first)
    await world.surface(refreshed)
    embedded = world.embedder.texts
    (outcome,) = await world.handle(refreshed)
    assert outcome == Handled(REF, START + 1, Done.REFRESHED)
    assert world.embedder.texts == embedded
    await world.assert_in_step()


@pytest.mark.parametrize("kind", [Kind.WRITE, Kind.TOUCH, Kind.REPAIR])
async def test_h8_a_slow_handler_does_not_shorten_the_life_of_a_refreshed_document(world: World, kind: Kind) -> None:
    first, refreshed = world.write(1, "a", expires=2, kind=kind), world.write(1, "a", expires=50, kind=Kind.TOUCH)
    await world.surface(first)
    slow = world.start(first)
    await slow.until("heads")
    await world.surface(refreshed)
    await world.handle(refreshed)
    await slow.finish()
    await world.assert_in_step()


async def test_h9_a_row_that_surfaces_after_its_event_was_given_up_is_shown_by_a_repair(world: World) -> None:
    write = world.write(1, "a", 2)
    world.tick(2)
    (outcome,) = await world.handle(write)
    assert outcome == Handled(REF, START + 1, Done.REMOVED)
    (head,) = await world.points()
    assert (head.mark, head.revision) == (Mark.GONE, START + 1)
    await world.surface(write)
    await world.handle(world.repair(1))
    await world.assert_in_step()


async def test_h9_a_late_duplicate_shows_it_as_well(world: World) -> None:
    write = world.write(1, "a")
    world.tick(2)
    await world.handle(write)
    await world.surface(write)
    await world.handle(write)
    await world.assert_in_step()


async def test_h10_an_orphan_is_removed_at_its_own_revision(world: World) -> None:
    write = world.write(1, "a", 3)
    await world.surface(write)
    await world.handle(write)
    world.lost.add(REF)
    world.tick(2)
    (outcome,) = await world.handle(world.repair(1, age=2))
    assert outcome == Handled(REF, START + 1, Done.REMOVED)
    await world.assert_in_step()


async def test_h11_a_handler_that_found_no_row_removes_only_what_it_saw_before_it_looked(world: World) -> None:
    """Whichever side it reads first, the row and its point come in between."""
    write = world.write(1, "a")
    world.tick(2)
    slow = world.start(write)
    await slow.step()
    await world.surface(write)
    await world.handle(write)
    await slow.finish()
    await world.assert_in_step()


async def test_h11_a_tombstone_of_an_absent_row_spares_the_point_that_came_meanwhile(world: World) -> None:
    write = world.write(1, "a", 2)
    world.tick(2)
    slow = world.start(write)
    await slow.until("heads")
    await world.surface(write)
    await world.handle(write)
    await slow.finish()
    await world.assert_in_step()


async def test_h12_a_document_that_is_no_longer_to_be_indexed_is_removed_by_its_event(world: World) -> None:
    first, hidden = world.write(1, "a", 2), world.write(2, "b", indexed=False)
    await world.surface(first)
    older = world.start(first)
    await older.until("passages")
    await world.surface(hidden)
    (outcome,) = await world.handle(hidden)
    assert outcome == Handled(REF, START + 2, Done.REMOVED)
    await older.finish()
    await world.assert_in_step()
    again = world.write(3, "c")
    await world.surface(again)
    await world.handle(again, hidden)
    await world.assert_in_step()


async def test_h13_a_row_that_outlives_its_expiry_counts_as_gone(world: World) -> None:
    write = world.write(1, "a", expires=1)
    await world.surface(write)
    world.tick(3)
    assert await world.row() is not None
    await world.handle(write)
    await world.assert_in_step()
    assert [point for point in await world.points() if point.live] == []
    await world.handle(world.repair(1, expires=1, age=3))
    assert [point for point in await world.points() if point.live] == []


async def test_h14_a_handler_past_its_deadline_writes_nothing_and_acknowledges_nothing(world: World) -> None:
    first, deletion = world.write(1, "a"), world.write(2, deleted=True)
    await world.surface(first)
    slow = world.start(first)
    await slow.until("embed")
    await world.surface(deletion)
    await world.handle(deletion)
    world.tick(3)
    assert await world.sweep() == 1
    with pytest.raises(IndexUnavailable, match="deadline"):
        await slow.finish()
    assert await world.points() == []
    await world.handle(first)
    await world.assert_in_step()


async def test_h14_a_tombstone_outlives_the_slowest_handler(world: World) -> None:
    first, deletion = world.write(1, "a"), world.write(2, deleted=True)
    await world.surface(first)
    slow = world.start(first)
    await slow.until("heads")
    await world.surface(deletion)
    await world.handle(deletion)
    world.tick()
    assert await world.sweep() == 0
    await slow.finish()
    await world.assert_in_step()


async def test_h14_put_again_after_the_tombstone_was_purged(world: World) -> None:
    first, deletion = world.write(1, "a"), world.write(2, deleted=True)
    await world.surface(first, deletion)
    await world.handle(first, deletion)
    world.tick(2)
    await world.sweep()
    again = world.write(3, "c", 2)
    await world.surface(again)
    await world.handle(again)
    await world.handle(first)
    await world.handle(deletion)
    await world.assert_in_step()


async def test_h15_a_dead_workers_head_that_lands_later_is_refused(world: World) -> None:
    first, deletion = world.write(1, "a"), world.write(2, deleted=True)
    await world.surface(first)
    late = await _captured(world, first, "heads")
    await world.surface(deletion)
    await world.handle(deletion)
    await world.index.upsert(late)
    await world.assert_in_step()


async def test_h15_a_dead_workers_passage_that_lands_later_is_cleared_by_a_repair(world: World) -> None:
    first, deletion = world.write(1, "a", 2), world.write(2, deleted=True)
    await world.surface(first)
    late = await _captured(world, first, "passages")
    await world.surface(deletion)
    await world.handle(deletion)
    await world.index.upsert(late)
    assert [point.passage for point in await world.points() if point.live] == [1], "what the reconciler finds"
    await world.handle(world.repair(2))
    await world.assert_in_step()


@pytest.mark.parametrize("deleted", [False, True])
async def test_h16_an_event_that_was_lost_is_replaced_by_a_repair(world: World, *, deleted: bool) -> None:
    first = world.write(1, "a", 2)
    second = world.write(2, deleted=True) if deleted else world.write(2, "b", 1)
    await world.surface(first)
    await world.handle(first)
    await world.surface(second)
    await world.handle(world.repair(2))
    await world.assert_in_step()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_h17_coalescing_keeps_the_event_that_is_ahead(world: World, order: tuple[int, int]) -> None:
    writes = world.write(1, "a"), world.write(2, "b")
    begun = world.clock.now()
    await world.surface(writes[0])
    outcomes = await world.handle(*(writes[place] for place in order))
    assert all(isinstance(outcome, Deferred) for outcome in outcomes)
    await world.surface(writes[1])
    deferred = await world.deferred(begun)
    assert [(delivery.event.revision, delivery.event.first_at) for delivery in deferred] == [(START + 2, begun)]
    await world.handle(*deferred)
    await world.assert_in_step()


async def test_h18_put_delete_put_again_with_a_deletion_between_the_refreshs_look_and_its_change(world: World) -> None:
    first, deletion, last = world.write(1, "a", 2), world.write(2, deleted=True), world.write(3, "a", 2)
    await world.surface(first)
    await world.handle(first)
    await world.surface(deletion)
    deleting = world.start(deletion)
    await deleting.until("remove")
    await world.surface(last)
    refreshing = world.start(last)
    await refreshing.until("refresh")
    await deleting.finish()
    await refreshing.finish()
    await world.assert_in_step()


async def test_h18_a_refresh_between_an_older_handlers_passages_and_its_head(world: World) -> None:
    first, last = world.write(1, "a", 2), world.write(3, "a", 2)
    await world.surface(first)
    older = world.start(first)
    await older.until("heads")
    await world.surface(last)
    newer = world.start(last)
    await newer.until("passages")
    await older.finish()
    await newer.finish()
    await world.assert_in_step()


async def test_h19_replays_of_old_events_after_the_tombstone_row_has_expired_too(world: World) -> None:
    first, deletion = world.write(1, "a", 2), world.write(2, deleted=True)
    await world.surface(first, deletion)
    await world.handle(first)
    world.lost.add(REF)
    world.tick(4)
    await world.sweep()
    await world.handle(first)
    await world.handle(deletion)
    await world.handle(first, deletion)
    await world.assert_in_step()


async def test_h20_a_document_of_one_passage_settles_too(world: World) -> None:
    """Leaving settle out where there seems to be one passage was tried: the slow older handler's second passage stays."""
    first, expiring = world.write(1, "a", 2), world.write(2, "b", 1, expires=1)
    await world.surface(first)
    older = world.start(first)
    await older.until("passages")
    await world.surface(expiring)
    newer = world.start(expiring)
    await newer.until("heads")
    await older.step("passages")
    await older.crash()
    await newer.finish()
    await world.assert_in_step()
    world.tick()
    await world.handle(first)
    world.tick(3)
    await world.sweep()
    await world.handle(first)
    await world.assert_in_step()
    assert [point for point in await world.points() if point.live] == []


# ------------------------------------------------------------------ parts


async def _captured(world: World, write: Write, step: str) -> list[Upsert]:
    """The request of this step, of a handler that died with it under way: it has not landed."""
    taken: list[Upsert] = []

    async def take(operations: list[Upsert]) -> None:
        taken.extend(operations)

    handler = world.start(write)
    await handler.until(step)
    handler.instead(take)
    await handler.step(step)
    await handler.crash()
    assert taken
    return taken


async def _lose(world: World, passage: int) -> None:
    """Behind everybody's back."""
    await world.index._client.call(lambda qdrant: qdrant.delete(world.index._collection, points_selector=[point_id(REF.document, passage)]))
