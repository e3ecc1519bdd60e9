"""What the deployment's files say, as a process would meet it."""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from syncline_sync_worker.config import Configuration, load

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"
OUR_IMAGE = "syncline:" + tomllib.loads((ROOT / "sync_worker" / "pyproject.toml").read_text())["project"]["version"]
FILE = "SYNCLINE_CONFIG"


def parsed(path: Path) -> list[Any]:
    """The documents of a YAML file."""
    return list(yaml.safe_load_all(path.read_text()))


def configuration(monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str], file: Path) -> Configuration:
    """What a process is told in which these are the only settings. Raises ConfigurationError for a name that no setting has."""
    with monkeypatch.context() as alone:
        for name in [name for name in os.environ if name.startswith("SYNCLINE_")]:
            alone.delenv(name)
        for name, value in environment.items():
            if name.startswith("SYNCLINE_") and name != FILE:
                alone.setenv(name, value)
        return load(file)


def misspelt(environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The environment once for each of its settings, with that one's name a letter short."""
    for wrong in environment:
        if wrong.startswith("SYNCLINE_") and wrong != FILE:
            yield {(name[:-1] if name == wrong else name): value for name, value in environment.items()}


def drains_within(settings: Configuration) -> float:
    """How many seconds a relay or a worker may take from SIGTERM to its end."""
    assert settings.kafka is not None
    return max(settings.relay.stop_within + settings.kafka.producer.stop_within, settings.kafka.consumer.stop_within)


def seconds(duration: str) -> float:
    """``60s`` or ``1m`` as a number."""
    found = re.fullmatch(r"(\d+)([sm])", duration)
    assert found is not None, duration
    return int(found[1]) * (60 if found[2] == "m" else 1)
