"""Conditional writes, as an app may rely on them: one suite for every storage that the store runs on."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from syncline_contracts.errors import InvalidDocument, InvalidQuery
from syncline_contracts.revision import Clock, now_us
from syncline_store import Applied, Document, Refused, Store, TenantView
from syncline_store.testing import open_test_store
from tests.parts.servers import cql

NOTES = ("notes",)
AHEAD = 2_000_000
"""µs by which a clock is wrong, within what is bearable."""


@pytest.fixture(params=["sqlite file", "sqlite memory", "cql"])
async def where(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    if request.param == "cql":
        return {"engine": await cql.open_engine(tmp_path, Clock())}
    return {"store": f"sqlite:///{tmp_path}/documents.db" if request.param == "sqlite file" else "sqlite:///:memory:"}


@pytest.fixture
async def store(where: dict[str, Any]) -> AsyncIterator[Store]:
    async with open_test_store(**where) as store:
        yield store


@pytest.fixture
def acme(store: Store) -> TenantView:
    return store.tenant("acme")


async def there(tenant: TenantView, key: str = "n1") -> Document:
    document = await tenant.get(NOTES, key)
    assert document is not None
    return document


async def found(tenant: TenantView, query: str) -> list[Any]:
    return [hit.value for hit in await tenant.search(query=query)]


class TestPutIfAbsent:
    async def test_what_is_not_there_is_written_and_found(self, acme: TenantView) -> None:
        applied = await acme.put_if_absent(NOTES, "n1", {"text": "the cat"})
        document = await there(acme)
        assert applied == Applied(document.revision)
        assert document.value == {"text": "the cat"}
        assert await found(acme, "the cat") == [{"text": "the cat"}]

    async def test_what_is_there_stays_and_is_told(self, acme: TenantView) -> None:
        revision = await acme.put(NOTES, "n1", {"text": "the cat"})
        refused = await acme.put_if_absent(NOTES, "n1", {"text": "the dog"})
        assert isinstance(refused, Refused)
        assert refused.document is not None
        assert (refused.document.value, refused.document.revision) == ({"text": "the cat"}, revision)
        assert await there(acme) == refused.document

    async def test_what_was_deleted_is_not_there(self, acme: TenantView) -> None:
        await acme.put(NOTES, "n1", {"text": "the cat"})
        deleted = await acme.delete(NOTES, "n1")
        applied = await acme.put_if_absent(NOTES, "n1", {"text": "the dog"})
        assert isinstance(applied, Applied)
        assert applied.revision > deleted
        assert await found(acme, "the dog") == [{"text": "the dog"}]

    async def test_what_has_expired_is_not_there(self, acme: TenantView) -> None:
        await acme.put(NOTES, "n1", {"text": "the cat"}, ttl=1)
        await asyncio.sleep(1.1)
        assert isinstance(await acme.put_if_absent(NOTES, "n1", {"text": "the dog"}), Applied)
        assert (await there(acme)).value == {"text": "the dog"}

    async def test_of_many_at_once_exactly_one_is_applied_and_the_others_are_told_of_it(self, acme: TenantView) -> None:
        outcomes = await asyncio.gather(*(acme.put_if_absent(NOTES, "n1", {"text": f"text {n}"}) for n in range(8)))
        (applied,) = [outcome for outcome in outcomes if isinstance(outcome, Applied)]
        document = await there(acme)
        assert document.revision == applied.revision
        assert [outcome for outcome in outcomes if outcome is not applied] == [Refused(document)] * 7

    async def test_a_life_and_an_index_spec_are_kept(self, acme: TenantView) -> None:
        await acme.put_if_absent(NOTES, "n1", {"text": "the cat"}, ttl=60, index=False)
        document = await there(acme)
        assert document.expires_at is not None
        assert 55 < document.expires_at.timestamp() - now_us() / 1e6 <= 61
        assert await found(acme, "the cat") == []

    async def test_a_document_that_breaks_a_limit_is_refused(self, acme: TenantView) -> None:
        with pytest.raises(InvalidDocument):
            await acme.put_if_absent(NOTES, "", {"text": "x"})


class TestUpdateIf:
    async def test_at_its_revision_it_is_replaced(self, acme: TenantView) -> None:
        revision = await acme.put(NOTES, "n1", {"text": "the cat"})
        before = await there(acme)
        applied = await acme.update_if(NOTES, "n1", {"text": "the dog"}, revision=revision)
        document = await there(acme)
        assert applied == Applied(document.revision)
        assert document.revision > revision
        assert (document.value, document.created_at) == ({"text": "the dog"}, before.created_at)
        assert await found(acme, "the dog") == [{"text": "the dog"}]

    async def test_at_another_revision_it_is_refused(self, acme: TenantView) -> None:
        old = await acme.put(NOTES, "n1", {"text": "one"})
        await acme.put(NOTES, "n1", {"text": "two"})
        assert await acme.update_if(NOTES, "n1", {"text": "three"}, revision=old) == Refused(await there(acme))

    async def test_what_is_not_there_is_not_updated(self, acme: TenantView) -> None:
        assert await acme.update_if(NOTES, "n1", {"text": "x"}, revision=1) == Refused(None)
        deleted = await acme.delete(NOTES, "n1")
        assert await acme.update_if(NOTES, "n1", {"text": "x"}, revision=deleted) == Refused(None)
        assert await acme.get(NOTES, "n1") is None

    async def test_updates_of_updates_and_plain_writes_follow_each_other(self, acme: TenantView) -> None:
        applied = await acme.put_if_absent(NOTES, "n1", {"n": 0})
        for n in range(1, 4):
            assert isinstance(applied, Applied)
            applied = await acme.update_if(NOTES, "n1", {"n": n}, revision=applied.revision)
        assert isinstance(applied, Applied)
        put = await acme.put(NOTES, "n1", {"n": 4})
        assert put > applied.revision
        assert (await there(acme)).value == {"n": 4}
        assert isinstance(await acme.update_if(NOTES, "n1", {"n": 5}, revision=put), Applied)
        assert (await there(acme)).value == {"n": 5}

    async def test_a_counter_counts_every_increment_once(self, acme: TenantView) -> None:
        await acme.put(NOTES, "n1", {"n": 0})

        async def increment() -> None:
            while True:
                document = await there(acme)
                outcome = await acme.update_if(NOTES, "n1", {"n": document.value["n"] + 1}, revision=document.revision)
                if not isinstance(outcome, Refused):
                    return  # applied; or applied, and the next increment was so, too, before it was read back

        async with asyncio.timeout(60):
            await asyncio.gather(*(increment() for _ in range(6)))
        assert (await there(acme)).value == {"n": 6}


class TestUpdateIfValue:
    async def test_an_equal_value_is_replaced_whatever_the_order_of_its_keys(self, acme: TenantView) -> None:
        await acme.put(NOTES, "n1", {"a": 1, "b": [2, None]})
        assert isinstance(await acme.update_if_value(NOTES, "n1", {"a": 2}, expected={"b": [2, None], "a": 1}), Applied)
        assert (await there(acme)).value == {"a": 2}

    async def test_another_value_is_refused(self, acme: TenantView) -> None:
        await acme.put(NOTES, "n1", {"a": 1})
        assert await acme.update_if_value(NOTES, "n1", {"a": 2}, expected={"a": "1"}) == Refused(await there(acme))
        assert await acme.update_if_value(NOTES, "n2", {"a": 2}, expected={"a": 1}) == Refused(None)


class TestDeleteIf:
    async def test_it_is_deleted_with_its_vectors(self, acme: TenantView) -> None:
        revision = await acme.put(NOTES, "n1", {"text": "the cat"})
        await acme.put(NOTES, "n2", {"text": "the cat"})
        assert isinstance(await acme.delete_if(NOTES, "n1", revision=revision), Applied)
        assert isinstance(await acme.delete_if(NOTES, "n2", expected={"text": "the cat"}), Applied)
        assert await acme.get_many([(NOTES, "n1"), (NOTES, "n2")]) == [None, None]
        assert await found(acme, "the cat") == []

    async def test_another_revision_or_value_is_refused(self, acme: TenantView) -> None:
        revision = await acme.put(NOTES, "n1", {"a": 1})
        document = await there(acme)
        assert await acme.delete_if(NOTES, "n1", revision=revision - 1) == Refused(document)
        assert await acme.delete_if(NOTES, "n1", expected={"a": 2}) == Refused(document)
        assert await acme.delete_if(NOTES, "n2", expected={"a": 2}) == Refused(None)

    async def test_it_wants_one_condition(self, acme: TenantView) -> None:
        for condition in ({}, {"revision": 1, "expected": {}}):
            with pytest.raises(InvalidQuery, match="either revision or expected"):
                await acme.delete_if(NOTES, "n1", **condition)  # type: ignore[arg-type]  # the mistake that is meant


@pytest.fixture(params=["sqlite file", "cql"])
async def skewed(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[TenantView, TenantView]]:
    """Two clients of one database, whose clocks are ahead of the servers' and behind them."""
    views = []
    stores = []
    for off in (AHEAD, -AHEAD):
        clock = Clock(now=lambda off=off: now_us() + off)  # type: ignore[misc]  # mypy does not infer the default's type
        where: dict[str, Any] = {"store": f"sqlite:///{tmp_path}/documents.db"}
        if request.param == "cql":
            where = {"engine": await cql.open_engine(tmp_path, clock)}
        stores.append(await open_test_store(**where, clock=clock, indexing="relay"))
        views.append(stores[-1].tenant("acme"))
    yield views[0], views[1]
    for store in stores:
        await store.aclose()


class TestClocksThatAreWrong:
    async def test_what_a_clock_ahead_wrote_is_replaced_and_deleted(self, skewed: tuple[TenantView, TenantView]) -> None:
        ahead, behind = skewed
        revision = await ahead.put(NOTES, "n1", {"n": 1})
        applied = await behind.update_if(NOTES, "n1", {"n": 2}, revision=revision)
        assert isinstance(applied, Applied)
        assert applied.revision > revision
        assert await there(ahead) == await there(behind)
        assert (await there(ahead)).value == {"n": 2}
        again = await ahead.put(NOTES, "n1", {"n": 3})
        assert isinstance(await behind.delete_if(NOTES, "n1", revision=again), Applied)
        assert await ahead.get(NOTES, "n1") is None

    async def test_a_plain_write_after_what_was_read_or_applied_is_later(self, skewed: tuple[TenantView, TenantView]) -> None:
        ahead, behind = skewed
        applied = await behind.put_if_absent(NOTES, "n1", {"n": 1})
        assert isinstance(applied, Applied)
        assert await behind.put(NOTES, "n1", {"n": 2}) > applied.revision
        assert (await there(behind)).value == {"n": 2}
        first = await ahead.put(NOTES, "n1", {"n": 3})
        assert (await there(behind)).value == {"n": 3}
        assert await behind.put(NOTES, "n1", {"n": 4}) > first
        assert (await there(ahead)).value == {"n": 4}

    async def test_a_refusal_tells_what_is_there(self, skewed: tuple[TenantView, TenantView]) -> None:
        ahead, behind = skewed
        await ahead.put(NOTES, "n1", {"n": 1})
        assert await behind.put_if_absent(NOTES, "n1", {"n": 2}) == Refused(await there(ahead))
