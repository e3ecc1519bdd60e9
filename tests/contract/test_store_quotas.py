"""How much a tenant may hold, as an app may rely on it: one suite for every storage that the store runs on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from syncline_contracts.errors import QuotaExceeded
from syncline_contracts.revision import Clock, now_us
from syncline_store import Applied, Refused, Store, quotas, usage
from syncline_store.document import canonical
from syncline_store.engines.protocol import NamespaceSettings
from syncline_store.langgraph import AsyncSynclineStore
from syncline_store.testing import open_test_store
from tests.parts.servers import cql
from tests.parts.writes import delete, ref, write

NOTES = ("notes",)
SMALL = {"text": "cat"}
LARGE = {"text": "cat" * 100}
Open = Callable[..., Awaitable[Store]]


def size(value: dict[str, Any]) -> int:
    return len(canonical(value).encode())


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, the first count is waited for; there is no second one that would mend a wrong sum."""
    monkeypatch.setattr(quotas, "PATIENCE", 60.0)
    monkeypatch.setattr(usage, "SHARE", 1e-9)


@pytest.fixture(params=["sqlite file", "sqlite memory", "cql"])
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens a store with these quotas. Relayed: nothing here is about the index."""
    async with AsyncExitStack() as stack:

        async def open_one(**given: Any) -> Store:
            where: dict[str, Any] = {
                "store": f"sqlite:///{tmp_path}/documents.db" if request.param == "sqlite file" else "sqlite:///:memory:"
            }
            if request.param == "cql":
                where = {"engine": await cql.open_engine(tmp_path, Clock())}
            return await stack.enter_async_context(open_test_store(**where, indexing="relay", quotas=given))

        yield open_one


async def write_elsewhere(store: Store, *keys: str, value: dict[str, Any]) -> None:
    """As another process would, of which this one knows nothing."""
    await store.parts.engine.namespaces.ensure("acme", NOTES, NamespaceSettings())
    await store.parts.engine.documents.write([write(ref(key), now_us(), value) for key in keys])


async def test_documents_beyond_the_quota_are_refused_and_nothing_is_written(opened: Open) -> None:
    store = await opened(documents=2)
    acme = store.tenant("acme")
    await acme.put(NOTES, "n1", SMALL)
    await acme.put(NOTES, "n2", SMALL)
    with pytest.raises(QuotaExceeded, match="raise quotas") as told:
        await acme.put(("other",), "n3", SMALL)
    assert (told.value.tenant, told.value.quota, told.value.limit, told.value.used, told.value.wanted) == ("acme", "documents", 2, 2, 1)
    assert await acme.get(("other",), "n3") is None
    assert (await acme.list_namespaces()).items == [NOTES]
    await store.tenant("other").put(NOTES, "n3", SMALL)


async def test_what_does_not_grow_is_never_refused(opened: Open) -> None:
    store = await opened(documents=2, bytes=2 * size(SMALL))
    await write_elsewhere(store, "n1", "n2", "n3", value=LARGE)
    acme = store.tenant("acme")
    with pytest.raises(QuotaExceeded):
        await acme.put(NOTES, "n4", SMALL)
    with pytest.raises(QuotaExceeded, match="bytes"):
        await acme.put(NOTES, "n1", {**LARGE, "more": True})
    await acme.put(NOTES, "n1", LARGE)
    await acme.put(NOTES, "n1", SMALL)
    await acme.delete(NOTES, "n2")
    await acme.delete(NOTES, "nothing")
    document = await acme.get(NOTES, "n3")
    assert document is not None
    assert isinstance(await acme.update_if(NOTES, "n3", SMALL, revision=document.revision), Applied)
    assert isinstance(await acme.delete_if(NOTES, "n3", expected=SMALL), Applied)
    await acme.put(NOTES, "n4", SMALL)


async def test_what_is_deleted_makes_room_at_once(opened: Open) -> None:
    acme = (await opened(documents=1)).tenant("acme")
    for number in range(5):
        await acme.put(NOTES, f"n{number}", SMALL)
        await acme.delete(NOTES, f"n{number}")
    await acme.put(NOTES, "n5", SMALL)
    with pytest.raises(QuotaExceeded):
        await acme.put(NOTES, "n6", SMALL)


async def test_overwriting_takes_what_is_between_the_two(opened: Open) -> None:
    acme = (await opened(bytes=size(LARGE) + size(SMALL))).tenant("acme")
    await acme.put(NOTES, "n1", SMALL)
    for _ in range(3):
        await acme.put(NOTES, "n2", LARGE)
    with pytest.raises(QuotaExceeded, match="bytes") as told:
        await acme.put(NOTES, "n1", LARGE)
    assert (told.value.used, told.value.wanted) == (size(LARGE) + size(SMALL), size(LARGE) - size(SMALL))


async def test_bytes_are_those_of_utf_8(opened: Open) -> None:
    acme = (await opened(bytes=size({"text": "ü"}) - 1)).tenant("acme")
    with pytest.raises(QuotaExceeded):
        await acme.put(NOTES, "n1", {"text": "ü"})
    await acme.put(NOTES, "n1", {"text": "u"})


async def test_of_many_those_that_fit_are_written_in_their_order(opened: Open) -> None:
    acme = (await opened(documents=3)).tenant("acme")
    results = await acme.put_many([(NOTES, key, SMALL) for key in ("n1", "n1", "n2", "n1", "n3", "n4", "n1", "n5")])
    refused = [isinstance(result, QuotaExceeded) for result in results]
    assert refused == [False, False, False, False, False, True, False, True]
    assert [document.key for document in (await acme.list()).items] == ["n1", "n2", "n3"]


async def test_what_is_written_at_once_shares_what_room_there_is(opened: Open) -> None:
    acme = (await opened(documents=5)).tenant("acme")
    results = await asyncio.gather(*(acme.put(NOTES, f"n{number}", SMALL) for number in range(20)), return_exceptions=True)
    assert sum(isinstance(result, int) for result in results) == 5
    assert sum(isinstance(result, QuotaExceeded) for result in results) == 15
    assert await acme.count() == 5


async def test_a_condition_that_does_not_hold_gives_its_room_back(opened: Open) -> None:
    acme = (await opened(documents=2)).tenant("acme")
    await acme.put(NOTES, "n1", SMALL)
    assert await acme.update_if(NOTES, "n2", SMALL, revision=1) == Refused(None)
    assert isinstance(await acme.put_if_absent(NOTES, "n2", SMALL), Applied)
    with pytest.raises(QuotaExceeded):
        await acme.put_if_absent(NOTES, "n3", SMALL)
    assert await acme.get(NOTES, "n3") is None


async def test_a_tenant_may_have_a_quota_of_its_own(opened: Open) -> None:
    store = await opened(documents=1, tenants={"acme": {"documents": None}, "small": {"bytes": 1}})
    acme, small = store.tenant("acme"), store.tenant("small")
    await acme.put_many([(NOTES, "n1", SMALL), (NOTES, "n2", SMALL)])
    assert await acme.count() == 2
    with pytest.raises(QuotaExceeded, match="bytes"):
        await small.put(NOTES, "n1", SMALL)
    small = store.tenant("third")
    await small.put(NOTES, "n1", SMALL)
    with pytest.raises(QuotaExceeded, match="documents"):
        await small.put(NOTES, "n2", SMALL)


async def test_usage_says_what_is_held(opened: Open) -> None:
    store = await opened(documents=100)
    await write_elsewhere(store, "n1", "n2", value=LARGE)
    acme, began = store.tenant("acme"), now_us()
    first = await acme.usage()
    assert (first.documents, first.bytes) == (2, 2 * size(LARGE))
    assert first.counted_at.timestamp() * 1e6 >= began
    await acme.put(NOTES, "n3", SMALL)
    await acme.delete(NOTES, "n1")
    after = await acme.usage()
    assert (after.documents, after.bytes) == (2, size(LARGE) + size(SMALL))


async def test_what_other_processes_write_and_delete_is_seen_by_counting(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "SHARE", 1.0)
    store = await opened(documents=2)
    acme = store.tenant("acme")
    await acme.put(NOTES, "n1", SMALL)
    await write_elsewhere(store, "n2", "n3", value=SMALL)
    assert (await acme.usage()).documents == 3
    with pytest.raises(QuotaExceeded):
        await acme.put(NOTES, "n4", SMALL)
    await store.parts.engine.documents.write([delete(ref(key), now_us()) for key in ("n2", "n3")])
    await acme.put(NOTES, "n4", SMALL)


async def test_langgraph_s_puts_are_refused_alike(opened: Open) -> None:
    store = await opened(documents=1)
    face = AsyncSynclineStore(store, tenant="graph")
    await face.aput(NOTES, "n1", SMALL)
    with pytest.raises(QuotaExceeded):
        await face.aput(NOTES, "n2", SMALL)
    await face.aput(NOTES, "n1", LARGE)
    await face.adelete(NOTES, "n1")
    await face.aput(NOTES, "n2", SMALL)
