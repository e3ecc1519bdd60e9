"""docs/metrics.md against the registry, both ways."""

import re
from collections.abc import Iterator
from pathlib import Path

from syncline_store.metrics import Operations, StoreMetrics
from syncline_store.prometheus import StoreCollector
from syncline_sync_worker.observability.metrics import Metrics

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| ([\w, ]*?) ?\| .+ \|$", re.MULTILINE)


class CountedStore:
    """Has counted a call of each kind of metric."""

    def metrics(self) -> StoreMetrics:
        operations = Operations()
        operations.ended("put", "ok", 0.001)
        return StoreMetrics(operations.snapshot(), 1, 1, 1, 1)


def of_the_store() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """As Prometheus is told: names, types, and the labels of the samples but for a bucket's bound."""
    for family in StoreCollector(CountedStore()).collect():
        labels = tuple(name for name in family.samples[0].labels if name != "le")
        yield family.name + ("_total" if family.type == "counter" else ""), family.type, labels


def test_every_metric_is_documented_with_its_type_and_labels_and_no_other() -> None:
    documented = {(name, kind, tuple(filter(None, labels.split(", ")))) for name, kind, labels in ROW.findall(PAGE.read_text())}
    metrics = Metrics()
    labels = {collector._name: collector._labelnames for collector in metrics.registry._collector_to_names}
    registered = {
        (family.name + ("_total" if family.type == "counter" else ""), family.type, labels[family.name])
        for family in metrics.registry.collect()
    }
    assert documented == registered | set(of_the_store())
