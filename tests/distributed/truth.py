"""What must be true whatever died when: what was acknowledged is stored and indexed, and nothing else is."""

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence

from syncline_contracts.identity import Ref
from syncline_store.document import Row
from syncline_store.index.points import PointState
from syncline_store.parts import Parts
from tests.distributed.journal import Change, Told
from tests.distributed.writer import DOCUMENTS, NAMESPACE, TENANT

HALF_A_MINUTE = 30_000_000


def count(changes: Collection[Change], told: Told) -> int:
    """How many changes ended so."""
    return sum(change.told is told for change in changes)


def newest(changes: Collection[Change]) -> dict[str, Change]:
    """Of each document the newest change that its writer was told of."""
    found: dict[str, Change] = {}
    for change in changes:
        if change.told is Told.STORED and (change.key not in found or change.version > found[change.key].version):
            found[change.key] = change
    return found


async def stored(parts: Parts) -> dict[str, Row]:
    refs = [Ref(TENANT, NAMESPACE, f"d{number:04d}") for number in range(DOCUMENTS)]
    return {row.ref.key: row for row in await parts.engine.documents.read(refs) if row is not None}


def assert_kept(changes: Collection[Change], rows: dict[str, Row]) -> None:
    """Each row is the newest acknowledged change of its document, or a later one whose outcome nobody was told."""
    open_ends: dict[str, list[Change]] = {}
    for change in changes:
        if change.told in (None, Told.UNKNOWN):
            open_ends.setdefault(change.key, []).append(change)
    promised = newest(changes)
    for key, change in promised.items():
        row = rows.get(key)
        assert row is not None, f"{change} was acknowledged and is not stored"
        assert row.version >= change.version, f"{change} was acknowledged, {row} is stored"
        assert _is(row, change) or _may_be(row, change, open_ends.get(key, ())), f"nobody wrote {row} after {change}"
        assert row.revision != change.revision or row.deleted == (change.kind == "delete"), f"{change} was acknowledged, {row} is stored"
    assert all(key in promised or key in open_ends for key in rows), "nobody wrote some of the rows"


def _is(row: Row, acknowledged: Change) -> bool:
    """A put is told its revision; when its life began lies between its call and its answer. A touch moves an end by a minute or more."""
    if row.revision != acknowledged.revision:
        return False
    later = row.expires_at - acknowledged.expires_at
    if acknowledged.kind == "put":
        return 0 <= later < HALF_A_MINUTE and json.loads(row.value or "{}").get("id") == acknowledged.id
    return later == 0


def _may_be(row: Row, acknowledged: Change, unknown: Sequence[Change]) -> bool:
    """Whether one of these may have made this row. A touch keeps the value and the revision, and moves the end."""
    if row.revision == acknowledged.revision:
        return any(change.kind == "touch" for change in unknown)
    if row.deleted:
        return any(change.kind == "delete" and change.revision in (0, row.revision) for change in unknown)
    return json.loads(row.value or "{}")["id"] in {change.id for change in unknown}


async def in_step(parts: Parts, seconds: float) -> dict[str, Row]:
    """Returns the rows once the index holds exactly what they say; fails with what differs when the time is over."""
    differ: list[str] = []
    try:
        async with asyncio.timeout(seconds):
            while True:
                rows, points = await stored(parts), await _points(parts)
                differ = [told for key in sorted({*rows, *points}) if (told := _differs(rows.get(key), points.get(key, ())))]
                if not differ:
                    return rows
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"{len(differ)} documents differ after {seconds:.0f} s, such as {differ[:3]}") from None


async def in_index(parts: Parts, promised: Mapping[str, Change], seconds: float) -> None:
    """Returns once the index holds each of these changes, or a later one."""
    behind: list[Change] = []
    try:
        async with asyncio.timeout(seconds):
            while True:
                points = await _points(parts)
                behind = [change for key, change in promised.items() if not _reached(points.get(key, ()), change)]
                if not behind:
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"{len(behind)} changes are not indexed after {seconds:.0f} s, such as {behind[:3]}") from None


def _reached(points: Sequence[PointState], change: Change) -> bool:
    head = next((point for point in points if point.passage == 0), None)
    return head is not None and (head.version >= change.version or (change.kind == "delete" and head.revision >= change.revision))


async def _points(parts: Parts) -> dict[str, Sequence[PointState]]:
    refs = [Ref(TENANT, NAMESPACE, f"d{number:04d}") for number in range(DOCUMENTS)]
    found = await (await parts.index()).points([ref.document for ref in refs])
    return {ref.key: found[ref.document] for ref in refs if found[ref.document]}


def _differs(row: Row | None, points: Sequence[PointState]) -> str:
    """How a document's points differ from its row; empty where they do not."""
    living = [point for point in points if point.live]
    if row is None or row.deleted:
        if living:
            return f"{row} is not living, and is found at {living}"
        return "" if row is None or [point.revision for point in points] == [row.revision] else f"{row} left {points}"
    if [point.passage for point in living] != list(range(living[0].passages if living else 1)):
        return f"{row}: passages {[point.passage for point in living]}"
    if any((point.version, point.content_hash) != (row.version, row.content_hash.hex()) for point in living):
        return f"{row}: indexed at {[point.version for point in living]}"
    return ""
