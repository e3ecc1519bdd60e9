"""What a store counts of its own calls, and what Prometheus is told of it."""

import inspect
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from syncline_contracts.errors import InvalidDocument
from syncline_store import Store, TenantView
from syncline_store.metrics import BOUNDS, FINE, Histogram, Operations, StoreMetrics
from syncline_store.prometheus import StoreCollector
from syncline_store.testing import open_test_store

NOTES = ("notes",)
UNCOUNTED = ("documents", "export")
"""Give one document after the other: how long they take is their reader's doing."""


def counted(store: Store) -> dict[tuple[str, str], int]:
    return {(each.operation, each.outcome): each.count for each in store.metrics().operations}


async def test_calls_are_counted_by_what_was_called_and_how_it_ended() -> None:
    async with open_test_store() as store:
        assert store.metrics() == StoreMetrics((), 0, 0, 0, 0)
        acme = store.tenant("acme")
        await acme.put(NOTES, "n1", {"text": "cat"})
        with pytest.raises(InvalidDocument):
            await acme.put(NOTES, "", {})
        await acme.put_if_absent(NOTES, "n1", {"text": "dog"})
        await acme.put_many([(NOTES, "n2", {}), (NOTES, "", {})])
        await acme.get(NOTES, "n1")
        await store.tenant("other").get(NOTES, "n1")
        await acme.search(query="cat")
        await acme.search(query="cat")
        await acme.delete(NOTES, "n1")
        assert counted(store) == {
            ("put", FINE): 1,
            ("put", "InvalidDocument"): 1,
            ("put_if_absent", FINE): 1,
            ("put_many", FINE): 1,
            ("get", FINE): 2,
            ("search", FINE): 2,
            ("delete", FINE): 1,
        }
        metrics = store.metrics()
        assert (metrics.query_cache_hits, metrics.query_cache_misses) == (1, 1)
        for each in metrics.operations:
            assert 0 < each.p50 <= each.p95 <= each.p99 <= each.longest <= each.seconds
            assert sum(each.buckets) == each.count


def test_every_call_of_a_tenant_s_view_is_counted() -> None:
    calls = {name for name, made in vars(TenantView).items() if not name.startswith("_") and inspect.isfunction(made)}
    counted = {name for name in calls if hasattr(getattr(TenantView, name), "__wrapped__")}
    assert calls - counted == {*UNCOUNTED}


@given(st.lists(st.floats(1.1e-5, 99), min_size=1, max_size=200), st.sampled_from((0.5, 0.95, 0.99)))
def test_percentiles_are_right_to_a_bucket(seconds: list[float], share: float) -> None:
    histogram = Histogram()
    for each in seconds:
        histogram.add(each)
    exact = sorted(seconds)[math.ceil(share * len(seconds)) - 1]
    assert exact / 1.34 <= histogram.percentile(share) <= exact * 1.34
    assert histogram.longest == max(seconds)


def test_no_call_is_too_short_or_too_long_to_be_counted() -> None:
    histogram = Histogram()
    assert histogram.percentile(0.5) == 0
    for seconds in (0.0, 1e-9, 1e6):
        histogram.add(seconds)
    assert sum(histogram.counts) == 3
    assert histogram.percentile(0.99) <= 1e6
    assert histogram.percentile(0.01) <= BOUNDS[0]


class Counted:
    """A store that has counted what the test says."""

    def __init__(self) -> None:
        self.operations = Operations()

    def metrics(self) -> StoreMetrics:
        return StoreMetrics(self.operations.snapshot(), 2, 1, 7, 3)


def test_prometheus_is_told_the_same() -> None:
    store, registry = Counted(), CollectorRegistry()
    registry.register(StoreCollector(store))
    for seconds in (0.0005, 0.0005, 0.02, 200.0):
        store.operations.ended("put", FINE, seconds)
    store.operations.ended("put", "StorageUnavailable", 10)
    labels = {"operation": "put", "outcome": FINE}
    assert registry.get_sample_value("syncline_store_seconds_count", labels) == 4
    assert registry.get_sample_value("syncline_store_seconds_sum", labels) == pytest.approx(200.021)
    for bound, count in (("0.000316", 0), ("0.001", 2), ("0.01", 2), ("0.0316", 3), ("100", 3), ("+Inf", 4)):
        assert registry.get_sample_value("syncline_store_seconds_bucket", {**labels, "le": bound}) == count, bound
    assert registry.get_sample_value("syncline_store_seconds_count", {**labels, "outcome": "StorageUnavailable"}) == 1
    assert registry.get_sample_value("syncline_store_queries_total", {"vector": "cached"}) == 7
    assert registry.get_sample_value("syncline_store_queries_total", {"vector": "embedded"}) == 3
    assert registry.get_sample_value("syncline_store_searches") == 2
    assert registry.get_sample_value("syncline_store_searches_waiting") == 1


def test_two_stores_do_not_share_a_registry() -> None:
    registry = CollectorRegistry()
    registry.register(StoreCollector(Counted()))
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(StoreCollector(Counted()))
