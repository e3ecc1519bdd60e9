"""docs/deploying.md: what it calls a setting is one, and the numbers beside it are the defaults."""

import re

from syncline_sync_worker.config import Configuration
from syncline_sync_worker.config.load import environment_name, names
from syncline_sync_worker.transport.kafka import KafkaSettings
from tests.docs.deployed import FILE, ROOT, drains_within

PAGE = (ROOT / "docs" / "deploying.md").read_text()
SETTINGS = {".".join(path): secret for path, secret in names()}
GROUPS = "|".join(sorted({name.partition(".")[0] for name in SETTINGS if "." in name}))
DEFAULTS = Configuration(kafka=KafkaSettings())


def default(setting: str) -> object:
    found: object = DEFAULTS
    for part in setting.split("."):
        found = getattr(found, part)
    return found


def test_its_settings_exist() -> None:
    named = set(re.findall(rf"`((?:{GROUPS})\.[\w.]+)`", PAGE))
    assert len(named) > 10
    assert named <= set(SETTINGS)


def test_its_variables_exist() -> None:
    called = {environment_name(tuple(name.split("."))): secret for name, secret in SETTINGS.items()}
    known = set(called) | {f"{name}_FILE" for name, secret in called.items() if secret} | {FILE}
    assert set(re.findall(r"\bSYNCLINE_\w+", PAGE)) <= known


def test_a_number_beside_a_setting_is_its_default() -> None:
    said = re.findall(r"`([a-z_.]+)`(?:,| \() ?(\d+)(?: s\b|\))", PAGE)
    assert len(said) > 4
    assert [(name, float(number)) for name, number in said] == [(name, default(name)) for name, _ in said]


def test_the_time_to_stop_suffices() -> None:
    (given,) = re.findall(r"Give it (\d+) s", PAGE)
    assert int(given) > drains_within(DEFAULTS)
