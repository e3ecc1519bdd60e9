"""How often an app called what, how it ended and how long it took: fixed buckets in memory, the same for any number of calls.

A bucket ends a third above where it begins, and percentiles are read between the two: by so much at most they may be wrong. No label
names a tenant. docs/metrics.md.
"""

import functools
from bisect import bisect_left
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

A_DECADE = 8
BOUNDS = tuple(1e-5 * 10 ** (step / A_DECADE) for step in range(7 * A_DECADE + 1))
"""Upper ends of the buckets, 10 µs to 100 s; what takes longer has one of its own."""
FINE = "ok"


class Histogram:
    """How long calls took."""

    __slots__ = ("counts", "longest", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0
        self.longest = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds
        if seconds > self.longest:  # noqa: PLR1730 - max() takes as long as all the rest
            self.longest = seconds

    def percentile(self, share: float) -> float:
        """Seconds within which that share of the calls ended; 0 without any."""
        rank = share * sum(self.counts)
        passed = 0
        for bucket, count in enumerate(self.counts):
            if count and passed + count >= rank:
                return self._within(bucket, (rank - passed) / count)
            passed += count
        return 0.0

    def _within(self, bucket: int, share: float) -> float:
        start = BOUNDS[bucket - 1] if bucket else 0.0
        end = min(BOUNDS[bucket], self.longest) if bucket < len(BOUNDS) else self.longest
        return start + share * max(0.0, end - start)


@dataclass(frozen=True, slots=True)
class OperationMetrics:
    """One operation's calls that ended alike. `outcome` is ``"ok"`` or the class of the error that was raised. Times are seconds."""

    operation: str
    outcome: str
    count: int
    seconds: float
    """All of them together."""
    p50: float
    p95: float
    p99: float
    longest: float
    buckets: tuple[int, ...]
    """Calls by duration: BOUNDS are the upper ends, the last has none."""


@dataclass(frozen=True, slots=True)
class StoreMetrics:
    """What a store did since it was opened."""

    operations: tuple[OperationMetrics, ...]
    searches_under_way: int
    searches_waiting: int
    """For a turn (`searches_at_once`)."""
    query_cache_hits: int
    query_cache_misses: int
    """Queries that had to be embedded."""


class Operations:
    """Counted by operation and outcome: a dozen of each at most."""

    def __init__(self) -> None:
        self._ended: dict[tuple[str, str], Histogram] = {}

    def ended(self, operation: str, outcome: str, seconds: float) -> None:
        """A call ended so."""
        histogram = self._ended.get((operation, outcome))
        if histogram is None:
            histogram = self._ended[operation, outcome] = Histogram()
        histogram.add(seconds)

    def snapshot(self) -> tuple[OperationMetrics, ...]:
        """As of now, in the order of their names."""
        return tuple(_shown(*which, histogram) for which, histogram in sorted(self._ended.items(), key=lambda entry: entry[0]))


class Measured(Protocol):
    """Whose methods are counted."""

    @property
    def _operations(self) -> Operations: ...


M = TypeVar("M", bound=Measured)


def measured(method: Callable[Concatenate[M, P], Coroutine[Any, Any, R]]) -> Callable[Concatenate[M, P], Coroutine[Any, Any, R]]:
    """The method, its calls counted under its name. Costs about 0.6 µs a call."""
    operation = method.__name__

    @functools.wraps(method)
    async def counted(self: M, /, *args: P.args, **kwargs: P.kwargs) -> R:
        began = perf_counter()
        try:
            result = await method(self, *args, **kwargs)
        except BaseException as error:
            self._operations.ended(operation, type(error).__name__, perf_counter() - began)
            raise
        self._operations.ended(operation, FINE, perf_counter() - began)
        return result

    return counted


def _shown(operation: str, outcome: str, histogram: Histogram) -> OperationMetrics:
    p50, p95, p99 = (histogram.percentile(share) for share in (0.5, 0.95, 0.99))
    return OperationMetrics(
        operation,
        outcome,
        sum(histogram.counts),
        histogram.seconds,
        p50,
        p95,
        p99,
        histogram.longest,
        tuple(histogram.counts),
    )
