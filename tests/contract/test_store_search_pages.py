"""Searches by filter alone, page by page, beyond where the forerunner's ended; in local mode and at a server."""

from collections.abc import AsyncIterator

import pytest

from syncline_contracts.errors import InvalidQuery
from syncline_store import Store
from syncline_store.testing import open_test_store
from tests.parts.outbox import deliveries
from tests.parts.world import a_collection

EVENTS = ("events",)
MATCHING = 5_500


@pytest.fixture(params=["local", "by URL"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "local":
        async with open_test_store(indexing="relay") as store:
            yield store
        return
    async with a_collection(request.getfixturevalue("qdrant").url) as at_server, open_test_store(indexing="relay", **at_server) as store:
        yield store


async def test_more_than_five_thousand_hits_come_once_each_and_none_is_left_out(store: Store) -> None:
    acme = store.tenant("acme")
    await acme.configure(EVENTS, fields=[], filterable=["kind"])
    await acme.put_many([(EVENTS, f"{n}", {"kind": "other" if n % 12 == 0 else "wanted"}) for n in range(MATCHING * 12 // 11)])
    await (await store.parts.indexer()).index(await deliveries(store.parts.engine))
    found: list[str] = []
    while hits := await acme.search(EVENTS, filter={"kind": "wanted"}, limit=1_000, offset=len(found)):
        assert {hit.value["kind"] for hit in hits} == {"wanted"}
        found += [hit.key for hit in hits]
    assert len(found) == MATCHING
    assert len(set(found)) == MATCHING
    with pytest.raises(InvalidQuery, match="offset"):
        await acme.search(EVENTS, filter={"kind": "wanted"}, offset=10_001)
    assert await acme.count(EVENTS, filter={"kind": "wanted"}) == MATCHING
