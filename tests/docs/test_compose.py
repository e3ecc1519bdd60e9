"""docker-compose.yml and deploy/Dockerfile, held against the settings and commands that exist. No container is started here."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main

from syncline_contracts.errors import ConfigurationError
from syncline_sync_worker.cli.main import app
from tests.docs.deployed import DEPLOY, OUR_IMAGE, ROOT, configuration, drains_within, misspelt, parsed, seconds

(COMPOSE,) = parsed(ROOT / "docker-compose.yml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == OUR_IMAGE}
ONCE = {name for name, service in SERVICES.items() if service["restart"] == "no"}
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
PINNED = re.compile(r"^[\w./-]+:v?\d[\w.]*(-[\w.]+)*$")
FILE = DEPLOY / "container.yaml"


def environment(service: dict[str, Any]) -> dict[str, str]:
    """As compose makes it where nobody sets the variables that it names."""
    return {name: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value) for name, value in service["environment"].items()}


def test_the_parts_are_there() -> None:
    assert set(OURS) == {"migrate", "relay", "worker", "watch", "reconcile"}
    assert {"migrate", "reconcile"} == ONCE
    assert {name for name, service in SERVICES.items() if not service.get("profiles")} == {
        "scylla", "kafka", "qdrant", "migrate", "relay", "worker",
    }  # fmt: skip


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_pinned_bounded_and_says_how_it_is(name: str) -> None:
    service = SERVICES[name]
    assert PINNED.match(service["image"]), service["image"]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert service["healthcheck"] == {"disable": True} if name in ONCE else service["healthcheck"]["test"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_starts_after_what_it_needs(name: str) -> None:
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        assert how["condition"] == ("service_completed_successfully" if needed in ONCE else "service_healthy")


@pytest.mark.parametrize("name", OURS)
def test_our_services_can_write_nothing_and_gain_nothing(name: str) -> None:
    service = OURS[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["build"] == {"context": ".", "dockerfile": "deploy/Dockerfile"}


@pytest.mark.parametrize("name", ["relay", "worker", "watch"])
def test_there_can_be_several_of_it_and_each_may_finish(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    service = SERVICES[name]
    assert not {"container_name", "ports"} & set(service)
    assert seconds(service["stop_grace_period"]) > drains_within(configuration(monkeypatch, environment(service), FILE))


def test_what_is_mounted_is_there() -> None:
    mounted = [volume.split(":") for service in SERVICES.values() for volume in service.get("volumes", [])]
    for source, *_ in mounted:
        assert (ROOT / source).is_file() if source.startswith(".") else source in COMPOSE["volumes"]


@pytest.mark.parametrize("name", OURS)
def test_what_a_process_is_told_are_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = configuration(monkeypatch, environment(OURS[name]), FILE)
    assert told.cql_settings is not None
    assert told.cql_settings.hosts == ("scylla",)
    assert told.cql_settings.replication.factor == 1
    assert told.kafka is not None
    assert (told.kafka.servers, told.kafka.events.replication, told.kafka.dead_letters.replication) == (["kafka:9092"], 1, 1)
    assert told.index == "http://qdrant:6333"
    assert (told.http.host, told.http.port, told.log.form) == ("0.0.0.0", 8080, "json")  # noqa: S104  (in a container)


def test_a_misspelt_setting_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = list(misspelt(environment(OURS["relay"])))
    assert len(wrong) > 5
    for told in wrong:
        with pytest.raises(ConfigurationError):
            configuration(monkeypatch, told, FILE)


def test_the_index_and_its_clients_share_a_key() -> None:
    assert SERVICES["qdrant"]["environment"]["QDRANT__SERVICE__API_KEY"] == OURS["relay"]["environment"]["SYNCLINE_INDEX_API_KEY"]


@pytest.mark.parametrize("name", OURS)
def test_what_it_runs_is_a_command(name: str) -> None:
    command: Any = typer.main.get_command(app)
    for word in OURS[name]["command"]:
        assert word in command.commands, f"no command `syncline {' '.join(OURS[name]['command'])}`"
        command = command.commands[word]


def test_the_image_is_pinned_and_has_no_root() -> None:
    bases = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))
    assert len(bases) == 1, "an environment needs the interpreter that it was made with"
    assert all(PINNED.match(base) for base in bases)
    assert "\nUSER 10001:10001\n" in DOCKERFILE
    assert "\nHEALTHCHECK " in DOCKERFILE
    assert '\nENTRYPOINT ["syncline"]\n' in DOCKERFILE
    assert f'image.version="{OUR_IMAGE.partition(":")[2]}"' in DOCKERFILE


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    copied = [source for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE) for source in line.split()]
    let_through = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for source in copied:
        assert (ROOT / source).exists()
        assert any(source == path or source.startswith(f"{path}/") for path in let_through), source


def locked(name: str) -> dict[tuple[str, str], str]:
    """Versions by package and marker."""
    lines = re.findall(r"^([\w.-]+)==([^\s;]+)(?: ; (.*?))? \\$", (ROOT / "requirements" / name).read_text(), re.MULTILINE)
    return {(package, marker): version for package, version, marker in lines}


def test_what_the_image_holds_was_tested_and_is_all_that_is_needed() -> None:
    runtime, tested = locked("runtime.txt"), {(package, version) for (package, _), version in locked("dev.txt").items()}
    assert {(package, version) for (package, _), version in runtime.items()} <= tested, "run make lock"
    packages = {package for package, _ in runtime}
    assert declared() <= packages, "run make lock"
    assert not {"pytest", "mypy", "testcontainers", "qdrant-edge-py"} & packages


def declared() -> set[str]:
    """What our three distributions ask for, with what the distributed mode needs besides."""
    found: set[str] = set()
    for folder in ("contracts", "store", "sync_worker"):
        project = tomllib.loads(Path(ROOT / folder / "pyproject.toml").read_text())["project"]
        extras = project.get("optional-dependencies", {})
        for line in (*project["dependencies"], *extras.get("cql", []), *extras.get("kafka", [])):
            found.add(re.split(r"[\[<>=~! ]", line)[0])
    return {name for name in found if not name.startswith("syncline")}
