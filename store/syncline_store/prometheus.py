"""A store's metrics for Prometheus: ``registry.register(StoreCollector(store))``. Needs prometheus-client (the extra ``metrics``).

Nothing is kept twice: the store counts, and this reads when it is scraped. docs/metrics.md lists them.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from syncline_store.metrics import A_DECADE, BOUNDS, StoreMetrics

EVERY = A_DECADE // 2
"""Two buckets a decade are told, of those that are counted."""


class HasMetrics(Protocol):
    """A store, or one for scripts."""

    def metrics(self) -> StoreMetrics:
        """As of now."""


class StoreCollector(Collector):
    """Give several stores registries of their own, or take one store a process: series of the same names would collide."""

    def __init__(self, store: HasMetrics) -> None:
        self._store = store

    def describe(self) -> Iterable[Metric]:
        """Names, types and labels, so that registering reads nothing."""
        return [_durations(), *_others(StoreMetrics((), 0, 0, 0, 0))]

    def collect(self) -> Iterator[Metric]:
        """As of now."""
        metrics = self._store.metrics()
        durations = _durations()
        for each in metrics.operations:
            durations.add_metric([each.operation, each.outcome], _cumulative(each.buckets), each.seconds)
        yield durations
        yield from _others(metrics)


def _durations() -> HistogramMetricFamily:
    return HistogramMetricFamily("syncline_store_seconds", "How long an operation took", labels=["operation", "outcome"])


def _others(metrics: StoreMetrics) -> Iterator[Metric]:
    queries = CounterMetricFamily("syncline_store_queries", "Queries of searches", labels=["vector"])
    queries.add_metric(["cached"], metrics.query_cache_hits)
    queries.add_metric(["embedded"], metrics.query_cache_misses)
    yield queries
    yield GaugeMetricFamily("syncline_store_searches", "Searches under way", metrics.searches_under_way)
    yield GaugeMetricFamily("syncline_store_searches_waiting", "Searches that wait for a turn", metrics.searches_waiting)


def _cumulative(counts: Sequence[int]) -> list[tuple[str, float]]:
    """Those up to each bound that is told, as Prometheus wants them."""
    summed = list(accumulate(counts))
    told = [(f"{bound:.3g}", float(up_to)) for bound, up_to in zip(BOUNDS, summed, strict=False)]
    return [*told[EVERY::EVERY], ("+Inf", float(summed[-1]))]
