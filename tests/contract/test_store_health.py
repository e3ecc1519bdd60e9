"""What a store says of itself while its parts come and go."""

import pytest

from syncline_contracts.errors import StorageUnavailable
from syncline_store.health import Status
from syncline_store.testing import open_test_store
from tests.parts.servers.qdrant import stand_in


async def test_with_everything_there() -> None:
    async with open_test_store() as store:
        health = await store.health()
        assert (health.status, health.reasons) == (Status.HEALTHY, ())
        assert health.parts.keys() == {"storage", "index"}


async def test_an_index_that_is_out_degrades_and_comes_back() -> None:
    with stand_in() as process:
        async with open_test_store(index=process.url, indexing="relay") as store:
            assert (await store.health()).status is Status.HEALTHY
            process.kill()
            health = await store.health()
            assert health.status is Status.DEGRADED
            assert health.reasons[0].startswith("index: ")
            await store.tenant("acme").put(("notes",), "n1", {"text": "cat"})
            process.start()
            assert (await store.health()).status is Status.HEALTHY


async def test_an_index_that_stands_still_is_out_once_the_time_is_over() -> None:
    with stand_in() as process:
        async with open_test_store(index=process.url, indexing="relay") as store:
            await store.parts.index()
            process.freeze()
            try:
                health = await store.health(within=0.2)
            finally:
                process.thaw()
            assert health.reasons == ("index: no answer within 0.2 s",)
            assert 0.2 <= health.parts["index"].seconds < 5


async def test_without_the_storage_nothing_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file cannot be taken away from SQLite that holds it: the one answer that counts is made up."""
    async with open_test_store() as store:

        async def out() -> None:
            raise StorageUnavailable("the disk is gone")

        monkeypatch.setattr(store.parts.engine.leases, "marks", out)
        health = await store.health()
        assert (health.status, health.reasons) == (Status.UNHEALTHY, ("storage: the disk is gone",))
