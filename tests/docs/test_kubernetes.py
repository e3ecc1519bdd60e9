"""deploy/kubernetes, held against the settings and commands that exist. No cluster is asked here."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from syncline_contracts.errors import ConfigurationError
from syncline_sync_worker.cli.main import app
from syncline_sync_worker.config import Configuration
from tests.docs.deployed import DEPLOY, FILE, OUR_IMAGE, configuration, drains_within, misspelt, parsed

OBJECTS = [found for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")) for found in parsed(path)]
SECRETS = "/run/secrets/syncline"


def of_kind(kind: str) -> dict[str, Any]:
    return {found["metadata"]["name"]: found for found in OBJECTS if found["kind"] == kind}


def pods() -> Iterator[tuple[str, Any]]:
    for found in OBJECTS:
        name, spec = found["metadata"]["name"], found.get("spec", {})
        spec = spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec
        if "template" in spec:
            yield name, spec["template"]["spec"]


PODS = dict(pods())
CONFIGURATION = of_kind("ConfigMap")["syncline"]["data"]["syncline.yaml"]


def environment(pod: Any, secrets: Path) -> dict[str, str]:
    """What the container finds, with the secrets in this folder."""
    return {entry["name"]: entry["value"].replace(SECRETS, str(secrets)) for entry in pod["containers"][0]["env"]}


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    for name in ("cql-password", "index-api-key", "kafka-password"):
        (tmp_path / name).write_text(f"the {name}\n")
    (tmp_path / "syncline.yaml").write_text(CONFIGURATION)
    return tmp_path


def told(monkeypatch: pytest.MonkeyPatch, pod: Any, secrets: Path) -> Configuration:
    return configuration(monkeypatch, environment(pod, secrets), secrets / "syncline.yaml")


def test_the_parts_are_there() -> None:
    assert set(PODS) == {"syncline-migrate", "syncline-relay", "syncline-worker", "syncline-watch", "syncline-reconcile"}
    assert set(of_kind("Deployment")) == {"syncline-relay", "syncline-worker", "syncline-watch"}
    assert set(of_kind("PodDisruptionBudget")) == {"syncline-relay", "syncline-worker"}


@pytest.mark.parametrize("name", PODS)
def test_a_pod_has_our_image_and_no_right_that_it_does_not_need(name: str) -> None:
    pod = PODS[name]
    (container,) = pod["containers"]
    assert container["image"] == OUR_IMAGE
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert container["resources"]["limits"]["memory"]
    assert not pod["automountServiceAccountToken"]


@pytest.mark.parametrize("name", PODS)
def test_kubernetes_adds_no_setting_of_its_own(name: str) -> None:
    assert PODS[name]["enableServiceLinks"] is False, "SYNCLINE_SERVICE_HOST and its like are refused as unknown settings"


@pytest.mark.parametrize("name", PODS)
def test_what_a_process_is_told_are_settings(name: str, secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = told(monkeypatch, PODS[name], secrets)
    assert found.cql_settings is not None
    assert found.cql_settings.password is not None
    assert found.cql_settings.password.get_secret_value() == "the cql-password"
    assert found.index_api_key is not None
    assert found.index_api_key.get_secret_value() == "the index-api-key"
    assert found.kafka is not None
    assert found.kafka.security.password is not None
    assert found.kafka.security.password.get_secret_value() == "the kafka-password"
    assert found.http.host == "0.0.0.0"  # noqa: S104  (in a container)


def test_a_misspelt_setting_would_be_seen(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = list(misspelt(environment(PODS["syncline-relay"], secrets)))
    assert len(wrong) == 3
    for environment_ in wrong:
        with pytest.raises(ConfigurationError):
            configuration(monkeypatch, environment_, secrets / "syncline.yaml")


@pytest.mark.parametrize("name", PODS)
def test_files_are_where_the_settings_look_for_them(name: str) -> None:
    pod = PODS[name]
    (container,) = pod["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert set(mounts) == set(volumes)
    assert volumes["configuration"]["configMap"]["name"] == "syncline"
    assert mounts["secrets"] == SECRETS
    assert not volumes["secrets"]["secret"]["defaultMode"] & stat.S_IRWXO
    (file,) = [entry["value"] for entry in container["env"] if entry["name"] == FILE]
    assert file == f"{mounts['configuration']}/syncline.yaml"


@pytest.mark.parametrize("name", PODS)
def test_what_it_runs_is_a_command(name: str) -> None:
    command: Any = typer.main.get_command(app)
    arguments = PODS[name]["containers"][0]["args"]
    for word in arguments:
        if word.startswith("--"):
            break
        assert word in command.commands, f"no command `syncline {' '.join(arguments)}`"
        command = command.commands[word]


@pytest.mark.parametrize("name", of_kind("Deployment"))
def test_a_process_is_probed_and_may_finish(name: str, secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (container,) = PODS[name]["containers"]
    settings = told(monkeypatch, PODS[name], secrets)
    assert container["ports"] == [{"name": "http", "containerPort": settings.http.port}]
    assert container["startupProbe"]["httpGet"] == container["livenessProbe"]["httpGet"] == {"path": "/health/live", "port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/health/ready", "port": "http"}
    assert PODS[name]["terminationGracePeriodSeconds"] > drains_within(settings)


@pytest.mark.parametrize("name", of_kind("Deployment"))
def test_a_deployment_selects_its_own_pods(name: str) -> None:
    spec = of_kind("Deployment")[name]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/component"] == name.removeprefix("syncline-")
    assert spec["selector"]["matchLabels"] == labels


@pytest.mark.parametrize("name", of_kind("PodDisruptionBudget"))
def test_a_budget_leaves_some_and_lets_a_node_drain(name: str) -> None:
    spec, budget = of_kind("Deployment")[name]["spec"], of_kind("PodDisruptionBudget")[name]["spec"]
    assert budget["selector"]["matchLabels"] == spec["selector"]["matchLabels"]
    assert spec["replicas"] > budget["maxUnavailable"] > 0


def test_there_is_one_watch_at_a_time() -> None:
    spec = of_kind("Deployment")["syncline-watch"]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_watch_and_job_run_what_their_names_say() -> None:
    watch, job = (PODS[name]["containers"][0]["args"] for name in ("syncline-watch", "syncline-reconcile"))
    assert watch[:2] == ["reconcile", "watch"]
    assert (job[:2], "--apply" in job) == (["reconcile", "check"], False)


def test_drift_fails_the_job_at_once_and_an_eviction_does_not() -> None:
    job = of_kind("CronJob")["syncline-reconcile"]["spec"]["jobTemplate"]["spec"]
    evicted, drifted = job["podFailurePolicy"]["rules"]
    assert evicted["action"] == "Ignore"
    assert (drifted["action"], drifted["onExitCodes"]) == ("FailJob", {"operator": "In", "values": [1, 2]})
    assert job["template"]["spec"]["restartPolicy"] == "Never"


def test_no_secret_stands_in_a_file() -> None:
    assert not of_kind("Secret")
    assert not [line for line in yaml.safe_dump(OBJECTS).splitlines() if line.strip().startswith(("password:", "index_api_key:"))]
