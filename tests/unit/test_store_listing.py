"""How a listing reads: a page at a time, fewer rows of large documents, and never twice more than it must."""

from typing import Any

import pytest

from syncline_store import TenantView
from syncline_store.listing import FIRST_PAGE, PAGE_BYTES, Cursor
from syncline_store.testing import open_test_store

NOTES = ("notes",)


def watch(tenant: TenantView, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """(rows asked for, bytes of what came) of each scan from now on."""
    seen: list[tuple[int, int]] = []
    documents: Any = tenant._parts.engine.documents
    scan = documents.scan

    async def scanning(tenant: str, prefix: Any, after: str | None, limit: int) -> Any:
        page = await scan(tenant, prefix, after, limit)
        seen.append((limit, sum(len(row.value or "") for row in page.items)))
        return page

    monkeypatch.setattr(type(documents), "scan", lambda _, *given: scanning(*given))
    return seen


async def test_of_large_documents_fewer_are_read_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_test_store(indexing="relay") as store:
        acme = store.tenant("acme")
        await acme.put_many([(NOTES, f"{n:03}", {"text": "x" * 400_000, "n": n}) for n in range(120)])
        seen = watch(acme, monkeypatch)
        assert [document.value["n"] async for document in acme.documents(filter={"n": {"$gte": 100}})] == list(range(100, 120))
        assert seen[0][0] == FIRST_PAGE
        assert len(seen) > 3
        assert all(weight <= 1.05 * PAGE_BYTES for _, weight in seen[1:])


async def test_a_page_of_a_few_reads_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_test_store(indexing="relay") as store:
        acme = store.tenant("acme")
        await acme.put_many([(NOTES, f"{n:03}", {"n": n}) for n in range(500)])
        seen = watch(acme, monkeypatch)
        assert len((await acme.list(limit=5)).items) == 5
        assert [limit for limit, _ in seen] == [5]


async def test_a_page_of_nothing_but_tombstones_is_passed_over() -> None:
    async with open_test_store(indexing="relay") as store:
        acme = store.tenant("acme")
        await acme.put_many([(NOTES, f"{n:03}", {"n": n}) for n in range(300)])
        for n in range(299):
            await acme.delete(NOTES, f"{n:03}")
        page = await acme.list(limit=10)
        assert [document.key for document in page.items] == ["299"]
        assert page.after is None


@pytest.mark.parametrize("cursor", [Cursor(), Cursor("after"), Cursor("ä", (("a", "b\x01"), "k\U0001f600")), Cursor(None, (("a",), "k"))])
def test_a_cursor_comes_back_as_it_was(cursor: Cursor) -> None:
    assert Cursor.decode(cursor.encode()) == cursor
