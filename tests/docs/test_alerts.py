"""Prometheus' rules and Grafana's dashboard, held against the metrics and settings that exist."""

import json
import re
from collections.abc import Iterator

import pytest
from prometheus_client import Metric

from syncline_contracts.drift import DriftKind
from syncline_sync_worker.config import Configuration
from syncline_sync_worker.config.load import names
from syncline_sync_worker.observability.metrics import Metrics
from tests.docs.deployed import DEPLOY, ROOT, parsed

(RULES,) = parsed(DEPLOY / "prometheus" / "rules.yaml")
(TEST,) = parsed(DEPLOY / "prometheus" / "rules_test.yaml")
(SCRAPED,) = parsed(DEPLOY / "prometheus" / "prometheus.yaml")
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
JOBS = {job["job_name"] for job in SCRAPED["scrape_configs"]}
SETTINGS = {".".join(path) for path, _ in names()}


def expressions() -> dict[str, str]:
    in_panels = {f"{panel['title']} {target['refId']}": target["expr"] for panel in PANELS for target in panel["targets"]}
    return {name: rule["expr"] for name, rule in ALERTS.items()} | in_panels


def series(metric: Metric) -> Iterator[str]:
    match metric.type:
        case "counter":
            yield f"{metric.name}_total"
        case "histogram":
            yield from (f"{metric.name}{suffix}" for suffix in ("_bucket", "_count", "_sum"))
        case _:
            yield metric.name


EXPORTED = {name for metric in Metrics().registry.collect() for name in series(metric)}


@pytest.mark.parametrize("where", expressions())
def test_it_asks_for_what_is_exported(where: str) -> None:
    asked = set(re.findall(r"\bsyncline_\w+", expressions()[where]))
    assert asked <= EXPORTED
    assert asked or set(re.findall(r'\bup\{job="([\w-]+)"\}', expressions()[where])) & JOBS


def test_the_dashboard_leaves_nothing_out() -> None:
    shown = set(re.findall(r"\bsyncline_\w+", json.dumps(DASHBOARD)))
    assert not {metric.name for metric in Metrics().registry.collect()} - {
        re.sub(r"_(total|bucket|count|sum)$", "", name) for name in shown
    }


def test_every_alert_is_seen_to_fire_and_to_keep_still() -> None:
    quiet, firing = TEST["tests"]
    assert {expected["alertname"] for expected in quiet["alert_rule_test"]} == set(ALERTS)
    samples = json.dumps(firing["promql_expr_test"][0]["exp_samples"])
    assert set(re.findall(r'alertname=\\"(\w+)', samples)) == set(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_to_do_in_words_that_exist(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in ("warning", "critical")
    text = f"{rule['annotations']['summary']} {rule['annotations']['description']}"
    groups = "|".join({setting.partition(".")[0] for setting in SETTINGS if "." in setting})
    assert set(re.findall(rf"\b(?:{groups})\.[\w.]*\w", text)) <= SETTINGS
    documented = (ROOT / "docs" / "cli.md").read_text()
    assert all(f"`{command}" in documented for command in re.findall(r"`(syncline [^`]+)`", text))


def test_the_thresholds_follow_the_settings() -> None:
    settings = Configuration()
    assert f"> {settings.cql.outbox_life // 2}" in ALERTS["SynclineMarkNearsTheEndOfTheOutbox"]["expr"]
    assert settings.relay.outbox_life == settings.cql.outbox_life
    canary = settings.watch.canary
    assert f"> {canary.slow:g}" in ALERTS["SynclineCanarySlow"]["expr"]
    found = re.search(r"> (\d+)$", ALERTS["SynclineCanaryLost"]["expr"])
    assert found is not None
    assert canary.interval + canary.slow < int(found[1]) < 60, "a probe that is merely slow fires nothing, a lost one within a minute"
    late = re.search(r'le="([\d.]+)"', ALERTS["SynclineRowsSurfaceLate"]["expr"])
    assert late is not None
    assert settings.relay.short_overlap < float(late[1]) < settings.relay.long_overlap


def test_the_kinds_that_page_somebody_are_those_of_the_settings() -> None:
    severity = Configuration().alerts.severity
    critical = {kind.value for kind in DriftKind if severity.of(kind) == "critical"}
    for name, operator in (("SynclineDriftCritical", "=~"), ("SynclineDrift", "!~")):
        found = re.search(rf'kind{operator}"([\w|]+)"', ALERTS[name]["expr"])
        assert found is not None
        assert set(found[1].split("|")) == critical
    assert (ALERTS["SynclineDriftCritical"]["labels"]["severity"], ALERTS["SynclineDrift"]["labels"]["severity"]) == ("critical", "warning")


def test_the_page_of_drift_gives_each_kind_the_severity_that_it_has() -> None:
    page = (ROOT / "docs" / "operations" / "drift.md").read_text()
    said = dict(re.findall(r"^\| `(\w+)` \| (\w+) \| ", page, re.MULTILINE))
    severity = Configuration().alerts.severity
    assert said == {kind.value: severity.of(kind) for kind in DriftKind}
    assert set(said) == set(type(severity).model_fields)


def test_grafana_finds_what_compose_mounts() -> None:
    (source,) = parsed(DEPLOY / "grafana" / "datasources.yaml")
    (provider,) = parsed(DEPLOY / "grafana" / "dashboards.yaml")
    (compose,) = parsed(ROOT / "docker-compose.yml")
    mounted = [volume.split(":")[1] for volume in compose["services"]["grafana"]["volumes"]]
    assert f"{provider['providers'][0]['options']['path']}/dashboard.json" in mounted
    assert source["datasources"][0]["url"] == "http://prometheus:9090"
    assert {config["names"][0] for job in SCRAPED["scrape_configs"] for config in job["dns_sd_configs"]} <= set(compose["services"])
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
