"""docs/configuration.md against the model: every setting with its default and no other, every secret, and examples that load."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, SecretStr

from syncline_sync_worker.config import Configuration, load
from syncline_sync_worker.config.load import FILE, environment_name, names
from syncline_sync_worker.doctor.settings import mode

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
ROWS = dict(re.findall(r"^\| `([a-z_.]+)` \| (?:`(.*?)`)? ?\| ", PAGE.partition("## Settings")[2], re.MULTILINE))
OURS = {".".join(path) for path, _ in names() if path[0] != "kafka"}
MADE = ("store", "index")
"""Their defaults are put together from `data`."""


def default(name: str) -> Any:
    found: Any = Configuration()
    model: Any = Configuration
    for part in name.split("."):
        field = model.model_fields[part]
        found = (None if field.is_required() else field.get_default(call_default_factory=True)) if found is None else getattr(found, part)
        model = next((kind for kind in (field.annotation, *getattr(field.annotation, "__args__", ())) if _is_group(kind)), None)
    return found


def _is_group(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def test_every_setting_is_documented_and_no_other() -> None:
    """Those of Kafka have a page of their own, and a test (test_kafka_settings.py)."""
    assert set(ROWS) == OURS
    assert "kafka.md#settings" in PAGE


@pytest.mark.parametrize("name", sorted(OURS - set(MADE)))
def test_a_default_is_what_the_page_says(name: str) -> None:
    expected = default(name)
    assert yaml.safe_load(ROWS[name]) == (str(expected) if isinstance(expected, Path) else expected)


def test_every_secret_is_named() -> None:
    section = PAGE.partition("## Secrets")[2].partition("## ")[0]
    assert set(re.findall(r"`([a-z_.]+)`", section)) == {".".join(path) for path, secret in names() if secret}
    assert environment_name(("cql", "password")) + FILE + "=" in section


@pytest.mark.parametrize(("number", "called"), list(enumerate(("embedded", "direct", "distributed"))))
def test_each_mode_s_example_is_one(number: int, called: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("hidden\n")
    file = tmp_path / "syncline.yaml"
    file.write_text(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[number])
    if number:
        monkeypatch.setenv("SYNCLINE_CQL__PASSWORD_FILE", str(tmp_path / "secret"))
    if called == "distributed":
        monkeypatch.setenv("SYNCLINE_KAFKA__SECURITY__PASSWORD_FILE", str(tmp_path / "secret"))
    found = load(file)
    assert mode(found).startswith(called)
    if number:
        assert found.cql.password == SecretStr("hidden")
