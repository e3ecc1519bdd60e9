"""What is read again is read by its places; whole rows only where one is not known."""

from collections.abc import Sequence

import pytest

from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_store.engines.protocol import OutboxRow, Pos
from syncline_sync_worker.relay.reading import Reader

LIMIT = 10
BEGIN, END = Pos(0), Pos(1_000)


class Outbox:
    """Rows at the places it is told of; counts how many whole ones it gave. `surfacing`: seen by the next `read`, not by `places`."""

    shards, lateness = 1, 0

    def __init__(self, *places: int) -> None:
        self.there = set(places)
        self.surfacing: set[int] = set()
        self.read_rows = 0

    async def append(self, events: Sequence[ChangeEvent], due: int | None = None) -> None:
        raise NotImplementedError

    async def places(self, shard: int, after: Pos, until: Pos, limit: int) -> Sequence[Pos]:
        return [pos for pos in map(Pos, sorted(self.there)) if after < pos <= until][:limit]

    async def read(self, shard: int, after: Pos, until: Pos, limit: int) -> Sequence[OutboxRow]:
        self.there |= self.surfacing
        found = [row(shard, pos) for pos in await self.places(shard, after, until, limit)]
        self.read_rows += len(found)
        return found


def row(shard: int, pos: Pos) -> OutboxRow:
    return OutboxRow(shard, pos, ChangeEvent.of(Ref("t", ("n",), str(pos.at)), 64, Kind.WRITE, first_at=0))


async def found(outbox: Outbox, known: set[int]) -> list[int]:
    """The unknown rows of all pages, each known as soon as it was read."""
    reader, after, seen = Reader(outbox, 0, limit=LIMIT), BEGIN, list[int]()

    def knows(pos: Pos) -> bool:
        return pos.at in known or pos.at in seen

    while True:
        page = await reader.unknown(after, END, knows)
        seen += [row.pos.at for row in page.rows if not knows(row.pos)]
        if not page.full:
            assert page.end == END
            return seen
        assert after < page.end
        after = page.end


@pytest.mark.parametrize("count", [0, 1, LIMIT - 1, LIMIT, LIMIT + 1, 3 * LIMIT])
async def test_no_row_is_read_where_every_place_is_known(count: int) -> None:
    outbox = Outbox(*range(1, count + 1))
    assert await found(outbox, set(range(1, count + 1))) == []
    assert outbox.read_rows == 0


@pytest.mark.parametrize("late", [{1}, {30}, {10}, {11}, {10, 11}, {3, 7}, {1, 30}, set(range(1, 31))])
async def test_the_stretch_between_unknown_places_is_read(late: set[int]) -> None:
    outbox = Outbox(*range(1, 31))
    assert await found(outbox, set(range(1, 31)) - late) == sorted(late)
    pages = [{at for at in late if first <= at < first + LIMIT} for first in (1, 11, 21)]
    assert outbox.read_rows == sum(max(each) - min(each) + 1 for each in pages if each)


async def test_what_surfaces_between_the_two_reads_hides_nothing() -> None:
    known = set(range(20, 90, 10))
    outbox = Outbox(10, *known, 90)
    outbox.surfacing = set(range(11, 80))
    assert await found(outbox, known) == sorted({10, 90} | outbox.surfacing - known)
