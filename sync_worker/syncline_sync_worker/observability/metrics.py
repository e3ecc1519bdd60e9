"""The metrics of relay, handler and worker. No global state: they live in the registry that is given. docs/metrics.md lists them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from syncline_contracts.drift import DriftKind, DriftReport, Verdict
from syncline_contracts.revision import now_us

LATE = (0.5, 1, 2, 5, 10, 30, 60, 120, 180, 240, 300, 600, 1800)
BATCH = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)
PROBE = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60)
LeaseChange = Literal["taken", "released", "lost"]


class Metrics:
    """One method for each thing that happens. Times are given in µs since 1970, exported in seconds.

    Ages are computed when they are asked for, so that they grow while what should lower them is stuck.
    """

    def __init__(self, registry: CollectorRegistry | None = None, *, now: Callable[[], int] = now_us) -> None:
        self.registry = registry or CollectorRegistry()
        self._now = now
        self._of_the_relay()
        self._of_the_handler()
        self._of_the_consumer()
        self._of_the_sweep()
        self._of_the_watch()
        self._of_the_canary()

    # ------------------------------------------------------------------ relay

    def _of_the_relay(self) -> None:
        shard, registry = ["shard"], self.registry
        self._published = Counter("syncline_relay_published", "Outbox rows published", shard, registry=registry)
        self._late = Histogram("syncline_relay_late_seconds", "Age of rows that an overlap found", buckets=LATE, registry=registry)
        self._lag = Gauge("syncline_relay_lag_seconds", "Age of the place up to which all is published", shard, registry=registry)
        self._mark = Gauge("syncline_relay_mark_age_seconds", "Age of the low-water mark", shard, registry=registry)
        self._held = Gauge("syncline_relay_leases", "Shards whose lease this relay holds", registry=registry)
        self._leases = Counter("syncline_relay_lease_changes", "Leases taken, released and lost", ["change"], registry=registry)
        self._stuck = Counter("syncline_relay_pauses", "Times that publishing paused", ["error"], registry=registry)

    def published(self, shard: int, rows: int) -> None:
        """The publisher acknowledged rows."""
        self._published.labels(shard).inc(rows)

    def late(self, age: int) -> None:
        """A row surfaced behind the hot read, at this age."""
        self._late.observe(age / 1e6)

    def lag(self, shard: int, published_to: int) -> None:
        """The hot read's rows up to this time are published."""
        self._lag.labels(shard).set_function(self._age(published_to))

    def mark(self, shard: int, at: int) -> None:
        """The mark was written down, or found at the start. Older than half the outbox's life: an alert."""
        self._mark.labels(shard).set_function(self._age(at))

    def lease(self, shard: int, change: LeaseChange) -> None:
        """A lease was taken, or is not held any more: then another relay tells its shard's lag and mark."""
        self._leases.labels(change).inc()
        self._held.inc(1 if change == "taken" else -1)
        if change != "taken":
            for gauge in (self._lag, self._mark):
                gauge.labels(shard)  # removing what is not there is an error
                gauge.remove(shard)

    def stuck(self, error: Exception) -> None:
        """A step failed; the relay backs off."""
        self._stuck.labels(type(error).__name__).inc()

    # ------------------------------------------------------------------ handler

    def _of_the_handler(self) -> None:
        registry = self.registry
        self._outcomes = Counter("syncline_handler_outcomes", "Documents handled", ["outcome"], registry=registry)
        self._retries = Counter("syncline_handler_retries", "Batches tried again", ["error"], registry=registry)
        self._pauses = Counter("syncline_handler_pauses", "Times that handling paused", ["error"], registry=registry)
        self._batch = Histogram("syncline_handler_batch_seconds", "Handling of one batch", buckets=BATCH, registry=registry)
        self._open = Gauge("syncline_circuit_open", "1 while a part is left alone", ["part"], registry=registry)
        self._circuits = Counter("syncline_circuit_changes", "Circuits opened and closed", ["part", "change"], registry=registry)

    def handled(self, counts: Mapping[str, int], took: int) -> None:
        """A batch was handled, in so many µs."""
        for outcome, count in counts.items():
            self._outcomes.labels(outcome).inc(count)
        self._batch.observe(took / 1e6)

    def retried(self, error: Exception) -> None:
        """A batch is tried again because a part was out."""
        self._retries.labels(type(error).__name__).inc()

    def paused(self, error: Exception) -> None:
        """All tries of a batch failed."""
        self._pauses.labels(type(error).__name__).inc()

    def circuits(self, parts: Iterable[str]) -> None:
        """These parts are there; none is left alone."""
        for part in parts:
            self._open.labels(part).set(0)

    def circuit(self, part: str, *, is_open: bool) -> None:
        """A part is left alone from now on, or is asked again."""
        self._open.labels(part).set(is_open)
        self._circuits.labels(part, "opened" if is_open else "closed").inc()

    # ------------------------------------------------------------------ consumer

    def _of_the_consumer(self) -> None:
        registry = self.registry
        self._pausing = Gauge("syncline_consumer_paused", "1 while a part is out and nothing is consumed", registry=registry)
        self._partitions = Gauge("syncline_consumer_partitions", "Partitions that this worker has", registry=registry)
        self._rebalances = Counter("syncline_consumer_rebalances", "Times that the group gave out its partitions", registry=registry)
        self._behind = Gauge("syncline_consumer_lag_records", "Records that the whole group has not committed", registry=registry)
        self._oldest = Gauge("syncline_consumer_lag_seconds", "Age of the oldest of them", registry=registry)

    def consuming(self, *, paused: bool) -> None:
        """Consumption pauses, or goes on."""
        self._pausing.set(paused)

    def assigned(self, partitions: int) -> None:
        """The group gave this worker so many partitions."""
        self._rebalances.inc()
        self._partitions.set(partitions)

    def behind(self, records: int, oldest: int | None) -> None:
        """The group's lag, and when the oldest change in it was made."""
        self._behind.set(records)
        self._oldest.set_function(_nothing if oldest is None else self._age(oldest))

    # ------------------------------------------------------------------ sweep

    def _of_the_sweep(self) -> None:
        registry = self.registry
        self._swept = Counter("syncline_sweep_removed", "What had outlived its grace", ["what"], registry=registry)
        self._letter = Gauge("syncline_dead_letters_oldest_seconds", "Age of the oldest open dead letter", registry=registry)
        self._letters = Gauge("syncline_dead_letters_open", "Open dead letters, up to 2,000 of them", ["error"], registry=registry)

    def swept(self, *, points: int, rows: int) -> None:
        """A sweep removed these from the index and from the storage."""
        self._swept.labels("points").inc(points)
        self._swept.labels("rows").inc(rows)

    def oldest_letter(self, at: int | None) -> None:
        """When the document of the oldest open dead letter first failed; None without any."""
        self._letter.set_function(_nothing if at is None else self._age(at))

    def open_letters(self, by_error: Mapping[str, int]) -> None:
        """How many dead letters are open, by the class of their error."""
        self._letters.clear()
        for error, count in by_error.items():
            self._letters.labels(error).set(count)

    # ------------------------------------------------------------------ watch

    def _of_the_watch(self) -> None:
        registry = self.registry
        self._walks = Counter("syncline_reconcile_walks", "Walks that ended", ["verdict"], registry=registry)
        self._told = Gauge("syncline_reconcile_age_seconds", "Time since the last walk that could tell", registry=registry)
        self._compared = Gauge("syncline_reconcile_documents", "Documents that the last walk compared", registry=registry)
        self._took = Gauge("syncline_reconcile_walk_seconds", "How long the last walk took", registry=registry)
        self._drift = Gauge(
            "syncline_reconcile_drift", "Documents that drifted, as of the last walk that told", ["kind"], registry=registry
        )
        self._unnamed = Gauge(
            "syncline_reconcile_unnamed",
            "Documents in the index that do not say whose they are, as of the last walk that told",
            registry=registry,
        )
        self._oldest_drift = Gauge("syncline_reconcile_oldest_drift_seconds", "Age of the oldest drift", registry=registry)
        self._repairs = Counter("syncline_reconcile_repairs", "Repair events written", registry=registry)
        self._alerts = Counter("syncline_reconcile_alerts_failed", "Alerts that could not be sent", registry=registry)
        for kind in DriftKind:
            self._drift.labels(kind.value)
        for verdict in Verdict:
            self._walks.labels(verdict.value)

    def watching(self) -> None:
        """A watch begins: it has not told anything since now."""
        self._told.set_function(self._age(self._now()))

    def reconciled(self, report: DriftReport) -> None:
        """A walk ended."""
        self._walks.labels(report.verdict.value).inc()
        self._compared.set(report.documents)
        self._took.set(report.seconds)
        self._repairs.inc(report.repaired)
        if report.verdict is Verdict.UNKNOWN:
            return
        self._told.set_function(self._age(self._now()))
        for kind in DriftKind:
            self._drift.labels(kind.value).set(report.by_kind.get(kind, 0))
        self._unnamed.set(report.unnamed)
        oldest = min((finding.since for finding in report.findings), default=None)
        self._oldest_drift.set_function(_nothing if oldest is None else self._age(oldest))

    def alert_failed(self) -> None:
        """Nobody, or not everybody, could be told of drift."""
        self._alerts.inc()

    # ------------------------------------------------------------------ canary

    def _of_the_canary(self) -> None:
        registry = self.registry
        self._probes = Histogram("syncline_canary_seconds", "From a probe's put until a search finds it", buckets=PROBE, registry=registry)
        self._last_probe = Gauge("syncline_canary_last_seconds", "How long the last probe took that was found", registry=registry)
        self._probed = Gauge("syncline_canary_age_seconds", "Time since a probe was found", registry=registry)
        self._lost = Counter("syncline_canary_failures", "Probes that were not found in time", ["why"], registry=registry)
        for why in ("not_written", "not_searchable"):
            self._lost.labels(why)

    def probing(self) -> None:
        """The canary begins: it has found nothing since now."""
        self._probed.set_function(self._age(self._now()))

    def probed(self, took: float) -> None:
        """A search found a probe so many seconds after its put began."""
        self._probes.observe(took)
        self._last_probe.set(took)
        self.probing()

    def probe_lost(self, why: Literal["not_written", "not_searchable"]) -> None:
        """A probe was not found in time."""
        self._lost.labels(why).inc()

    def _age(self, at: int) -> Callable[[], float]:
        return lambda: max(0, self._now() - at) / 1e6


def _nothing() -> float:
    return 0.0
