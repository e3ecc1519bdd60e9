"""Reads a configuration: what each source says, which of them wins, and whose fault a wrong value is.

    defaults < YAML file < files of secrets < environment < command line

A setting ``cql.password`` is ``SYNCLINE_CQL__PASSWORD`` in the environment; a secret can stand in a file that
``SYNCLINE_CQL__PASSWORD_FILE`` names, which is how containers are given theirs.
"""

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict, SettingsError

from syncline_contracts.errors import ConfigurationError
from syncline_store.settings import problems
from syncline_sync_worker.config.configuration import Configuration

PREFIX = "SYNCLINE_"
CONFIG = "SYNCLINE_CONFIG"
"""Names the YAML file where the command line does not."""
FILE = "_FILE"
OPTION = "--"
_OPTIONS = ("data", "store", "index")
"""Settings with an option of their own; the others are given by ``--set``."""
_NOT_OURS = (CONFIG, "SYNCLINE_TEST_")
Path_ = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Source:
    """What one source gives, and how it calls a setting."""

    values: Mapping[str, Any]
    name: str
    prefix: str = ""
    delimiter: str = "."

    def depth(self, path: Path_) -> int:
        """How much of the path this source gives: all of it, a group around it, or nothing."""
        given: Any = self.values
        for depth, part in enumerate(path):
            if not isinstance(given, Mapping) or part not in given:
                return depth
            given = given[part]
        return len(path)

    def called(self, path: Path_) -> str:
        """How the setting is called there."""
        name = self.delimiter.join(path)
        if self.prefix == OPTION:
            return f"--{name} ({self.name})" if name in _OPTIONS else f"--set {name} ({self.name})"
        return f"{self.prefix}{name.upper() if self.prefix == PREFIX else name} ({self.name})"


def load(file: Path | None = None, *, given: Mapping[str, Any] | None = None, defaults: Mapping[str, Any] | None = None) -> Configuration:
    """The configuration of this process. `given` is what the command line says, `defaults` what this command assumes otherwise.

    Raises ConfigurationError that names each wrong setting, where its value comes from, and the remedy; no value is shown.
    """
    _refuse_unknown(os.environ)
    sources = _sources(file, given or {}, defaults or {})
    values: dict[str, Any] = {}
    for source in sources:
        _lay_over(values, source.values)
    try:
        return Configuration.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError("; ".join(f"{_blame(name, sources)}: {said}" for name, said in problems(error))) from None


def origins(file: Path | None = None, *, given: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Which source has the last word on each setting that any of them gives, by the setting's dotted name. Raises as `load` does."""
    sources = _sources(file, given or {}, {})
    said = ((path, [source for source in sources if source.depth(path) == len(path)]) for path, _ in names())
    return {".".join(path): found[-1].name for path, found in said if found}


def _sources(file: Path | None, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[_Source]:
    """The later one wins."""
    return [
        _Source(defaults, "default"),
        _file(file or _named_file()),
        _Source(_secrets(os.environ), "file of a secret", PREFIX, "__"),
        _Source(_environment(), "environment", PREFIX, "__"),
        _Source(given, "command line", OPTION),
    ]


def names() -> Iterator[tuple[Path_, bool]]:
    """Every setting's path, and whether it is a secret."""
    return _leaves(Configuration, ())


def environment_name(path: Path_) -> str:
    """What a setting is called in the environment."""
    return PREFIX + "__".join(path).upper()


def _leaves(model: type[BaseModel], above: Path_) -> Iterator[tuple[Path_, bool]]:
    for name, field in model.model_fields.items():
        kinds = [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)]
        by_name = get_origin(field.annotation) is dict  # one setting, whatever stands behind the names
        group = None if by_name else next((kind for kind in kinds if issubclass(kind, BaseModel)), None)
        if group is not None:
            yield from _leaves(group, (*above, name))
        else:
            yield (*above, name), SecretStr in kinds


def _named_file() -> Path | None:
    named = os.environ.get(CONFIG)
    return Path(named) if named else None


def _file(path: Path | None) -> _Source:
    if path is None:
        return _Source({}, "file")
    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}: name a file that this user may read with --config or {CONFIG}") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        where = getattr(error, "problem_mark", None)
        line = "" if where is None else f", line {where.line + 1}"
        raise ConfigurationError(f"{path}{line}: is no YAML: {getattr(error, 'problem', None) or 'not UTF-8'}") from None
    if not isinstance(found, dict | None):
        raise ConfigurationError(f"{path}: must hold settings by their names, such as `store: cql://scylla/syncline`")
    return _Source(found or {}, str(path))


class _Environment(BaseSettings, Configuration):
    """Says how the environment is read: its fields are the configuration's."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", env_ignore_empty=True)


def _environment() -> dict[str, Any]:
    try:
        source = EnvSettingsSource(_Environment)
        source.env_vars = {name: value for name, value in source.env_vars.items() if name.upper() not in _secret_files()}
        return source()
    except SettingsError as error:
        raise ConfigurationError(f"the environment: {error}: lists and maps are written as JSON") from None


def _secrets(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path, secret in names():
        name = environment_name(path) + FILE
        if secret and environment.get(name):
            _put(found, path, _read_secret(name, Path(environment[name])))
    return found


def _read_secret(name: str, path: Path) -> str:
    try:
        return path.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{name}: {path} cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'})") from None


def _secret_files() -> set[str]:
    return {environment_name(path) + FILE for path, secret in names() if secret}


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    """A misspelt name would be ignored in silence otherwise. What lies below a known group is the model's to refuse."""
    secrets = _secret_files()
    known = {PREFIX + name.upper() for name in Configuration.model_fields}
    every = sorted({environment_name(path) for path, _ in names()} | secrets | {CONFIG})
    for name in sorted(environment):
        if name.startswith(PREFIX) and not name.startswith(_NOT_OURS) and name not in secrets and name.partition("__")[0] not in known:
            like = difflib.get_close_matches(name, every, 1)
            raise ConfigurationError(f"{name} (environment): there is no such setting" + (f"; did you mean {like[0]}?" if like else ""))


def _lay_over(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    for name, value in above.items():
        if isinstance(value, Mapping) and isinstance(below.get(name), dict):
            _lay_over(below[name], value)
        else:
            below[name] = _copied(value)


def _copied(value: Any) -> Any:
    return {name: _copied(inner) for name, inner in value.items()} if isinstance(value, Mapping) else value


def _put(into: dict[str, Any], path: Path_, value: str) -> None:
    for part in path[:-1]:
        into = into.setdefault(part, {})
    into[path[-1]] = value


def _blame(name: str, sources: list[_Source]) -> str:
    """The setting as the source calls it that had the last word on it."""
    path = tuple(name.split("."))
    source = max(reversed(sources), key=lambda source: source.depth(path))
    return source.called(path) if source.depth(path) else name
