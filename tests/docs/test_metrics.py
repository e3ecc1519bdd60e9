"""docs/metrics.md against the registry, both ways."""

import re
from pathlib import Path

from syncline_sync_worker.observability.metrics import Metrics

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| ([\w, ]*?) ?\| .+ \|$", re.MULTILINE)


def test_every_metric_is_documented_with_its_type_and_labels_and_no_other() -> None:
    documented = {(name, kind, tuple(filter(None, labels.split(", ")))) for name, kind, labels in ROW.findall(PAGE.read_text())}
    metrics = Metrics()
    labels = {collector._name: collector._labelnames for collector in metrics.registry._collector_to_names}
    registered = {
        (family.name + ("_total" if family.type == "counter" else ""), family.type, labels[family.name])
        for family in metrics.registry.collect()
    }
    assert documented == registered
