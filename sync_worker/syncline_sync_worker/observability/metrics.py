"""The relay's and the handler's metrics. No global state: they live in the registry that is given."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LATE = (0.5, 1, 2, 5, 10, 30, 60, 120, 180, 240, 300, 600, 1800)
BATCH = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)


class Metrics:
    """One method for each thing that happens. Times are given in µs, exported in seconds."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        shard = ["shard"]
        self._published = Counter("syncline_relay_published", "Outbox rows published", shard, registry=self.registry)
        self._late = Histogram("syncline_relay_late_seconds", "Age of rows that an overlap found", buckets=LATE, registry=self.registry)
        self._lag = Gauge("syncline_relay_lag_seconds", "How far the hot read is behind now", shard, registry=self.registry)
        self._mark = Gauge("syncline_relay_mark_age_seconds", "Age of the low-water mark", shard, registry=self.registry)
        self._outcomes = Counter("syncline_handler_outcomes", "Documents handled", ["outcome"], registry=self.registry)
        self._retries = Counter("syncline_handler_retries", "Batches tried again", ["error"], registry=self.registry)
        self._pauses = Counter("syncline_handler_pauses", "Times that handling paused", ["error"], registry=self.registry)
        self._batch = Histogram("syncline_handler_batch_seconds", "Handling of one batch", buckets=BATCH, registry=self.registry)

    def published(self, shard: int, rows: int) -> None:
        """The publisher acknowledged rows."""
        self._published.labels(shard).inc(rows)

    def late(self, age: int) -> None:
        """A row surfaced behind the hot read, at this age."""
        self._late.observe(age / 1e6)

    def lag(self, shard: int, behind: int) -> None:
        """How far the last hot read stayed behind now."""
        self._lag.labels(shard).set(behind / 1e6)

    def mark(self, shard: int, age: int) -> None:
        """The mark's age at its checkpoint. Older than half the outbox's life: an alert."""
        self._mark.labels(shard).set(age / 1e6)

    def handled(self, counts: Mapping[str, int], took: int) -> None:
        """A batch was handled."""
        for outcome, count in counts.items():
            self._outcomes.labels(outcome).inc(count)
        self._batch.observe(took / 1e6)

    def retried(self, error: Exception) -> None:
        """A batch is tried again because a part was out."""
        self._retries.labels(type(error).__name__).inc()

    def paused(self, error: Exception) -> None:
        """All tries of a batch failed."""
        self._pauses.labels(type(error).__name__).inc()
