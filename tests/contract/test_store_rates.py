"""One tenant's share of a second."""

import time

import pytest

from syncline_contracts.errors import InvalidDocument, RateLimited
from syncline_store import Refused, TenantView
from syncline_store.settings import Rate, RateSettings
from syncline_store.testing import open_test_store

NOTES = ("notes",)


async def until_refused(view: TenantView) -> tuple[int, RateLimited]:
    for number in range(100):
        try:
            await view.put(NOTES, f"n{number}", {"text": "cat"})
        except RateLimited as error:
            return number, error
    pytest.fail("nothing was refused")


async def test_a_tenant_that_writes_too_much_is_told_when_to_come_again_and_the_others_write_on() -> None:
    async with open_test_store(indexing="relay", rates=RateSettings(writes=5)) as store:
        acme, other = store.tenant("acme"), store.tenant("other")
        began = time.monotonic()
        written, refused = await until_refused(acme)
        assert 5 <= written <= 5 * (1 + time.monotonic() - began)
        assert 0 < refused.retry_after <= 1
        assert "acme" in str(refused)
        assert await acme.get(NOTES, f"n{written}") is None
        await other.put(NOTES, "n1", {"text": "cat"})
        results = await acme.put_many([(NOTES, "m1", {"text": "cat"})] * 20)
        assert any(isinstance(result, RateLimited) for result in results)
        assert await acme.search(NOTES) == []


async def test_conditional_writes_count_and_what_is_refused_as_it_is_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    async with open_test_store(indexing="relay", rates=RateSettings(writes=2)) as store:
        acme = store.tenant("acme")
        monkeypatch.setattr(time, "time", lambda: now)
        refused = await acme.put_many([(NOTES, "", {}), (NOTES, "n1", {}), (NOTES, "", {})])
        assert [type(result) for result in refused] == [InvalidDocument, int, InvalidDocument]
        assert await acme.put_if_absent(NOTES, "n2", {}) != Refused(None)
        with pytest.raises(RateLimited):
            await acme.put_if_absent(NOTES, "n3", {})
        with pytest.raises(RateLimited):
            await acme.delete(NOTES, "n1")


async def test_searches_have_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    async with open_test_store(rates=RateSettings(writes=2, searches=2)) as store:
        monkeypatch.setattr(time, "time", lambda: now)  # within one second, however busy the machine is
        acme = store.tenant("acme")
        await acme.put(NOTES, "n1", {"text": "cat"})
        await acme.put(NOTES, "n2", {"text": "cat"})
        assert await acme.search(NOTES)
        assert await acme.search(NOTES), "what was written does not count"
        with pytest.raises(RateLimited, match="2 searches"):
            await acme.search(NOTES)
        assert await store.tenant("other").search(NOTES) == []


async def test_a_tenant_may_have_rates_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    rates = RateSettings(writes=1, tenants={"large": Rate(writes=None), "small": Rate(searches=1)})
    async with open_test_store(indexing="relay", rates=rates) as store:
        monkeypatch.setattr(time, "time", lambda: now)
        large, small = store.tenant("large"), store.tenant("small")
        for number in range(5):
            await large.put(NOTES, f"n{number}", {})
        await small.search(NOTES)
        with pytest.raises(RateLimited, match="1 searches"):
            await small.search(NOTES)
        for others in (small, store.tenant("other")):
            await others.put(NOTES, "n1", {})
            with pytest.raises(RateLimited, match="1 writes"):
                await others.put(NOTES, "n2", {})
