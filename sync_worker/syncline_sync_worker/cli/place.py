"""Where the data is, and what else the command line says of the configuration."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syncline_contracts.errors import ConfigurationError, InvalidInput
from syncline_contracts.identity import Namespace
from syncline_sync_worker.demo.folder import disown

if TYPE_CHECKING:
    from syncline_sync_worker.config import Configuration

DATABASE = "documents.db"
"""What the database of a data folder is called (`in_folder`)."""
PATIENCE = 3.0
"""Seconds that a write whose outcome is unknown is repeated before the person who waits is told."""
DEFAULTS: Mapping[str, Any] = {"write_deadline": PATIENCE, "log": {"level": "error"}}
"""What a command that a person waits for assumes."""
_HIDDEN = ("password", "api_key")
"""Settings whose names hold one of these are not repeated on the screen."""


@dataclass(frozen=True, slots=True)
class Place:
    """The common options, as far as they were given. What they leave open, file and environment say."""

    data: Path | None = None
    store: str | None = None
    index: str | None = None
    config: Path | None = None
    changes: tuple[str, ...] = ()
    """``NAME=VALUE`` of each ``--set``."""

    @property
    def option(self) -> str:
        """What must be said to get here with another command, with a space before it."""
        given = [
            *(("--data", self.data), ("--store", self.store), ("--index", self.index), ("--config", self.config)),
            *(("--set", change) for change in self.changes if not any(word in change.partition("=")[0] for word in _HIDDEN)),
        ]
        return "".join(f" {name} {shlex.quote(str(value))}" for name, value in given if value is not None)

    def configuration(self, defaults: Mapping[str, Any] = DEFAULTS) -> "Configuration":
        """What this command works with; `defaults` is what it assumes where nobody says otherwise. The command indexes, never a put.

        Raises ConfigurationError that names each wrong setting and where it comes from, InvalidInput for a ``--set`` that is none.
        """
        from syncline_sync_worker.config import load  # noqa: PLC0415 - pydantic takes longer than --help may

        return load(self.config, given=self._given(), defaults=defaults).model_copy(update={"indexing": "relay"})

    def origins(self) -> dict[str, str]:
        """Where each setting comes from that anybody gives, by its dotted name. Raises as `configuration` does."""
        from syncline_sync_worker.config import origins  # noqa: PLC0415 - as above

        return origins(self.config, given=self._given())

    def _given(self) -> dict[str, Any]:
        from syncline_sync_worker.config.configuration import in_folder  # noqa: PLC0415 - as above

        folder = {} if self.data is None else {"data": self.data, **in_folder(self.data)}
        sides = {name: value for name, value in (("store", self.store), ("index", self.index)) if value is not None}
        return changes(self.changes) | folder | sides

    def expect(self, configuration: "Configuration") -> None:
        """Raise ConfigurationError where a command that only reads would find nothing, instead of making an empty store."""
        file = configuration.database
        if file is not None and not file.is_file():
            there = file if file.name != DATABASE else _shown(file.parent, configuration)
            raise ConfigurationError(
                f"there are no documents in {there}: put some there with "
                f"`syncline import PATH{self.option}`, or name another folder with --data (or SYNCLINE_DATA)"
            )

    def make(self, configuration: "Configuration") -> None:
        """Make the folder, to be written to: a demo's data in it is no longer the demo's to remove.

        Raises ConfigurationError where that cannot be done.
        """
        if configuration.database is None:
            return
        folder = configuration.database.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            disown(folder)
        except OSError as error:
            raise ConfigurationError(
                f"cannot make or write the data folder {_shown(folder, configuration)} ({error.strerror}): name another with --data"
            ) from None


def changes(texts: tuple[str, ...]) -> dict[str, Any]:
    """What ``--set`` says: dotted names, values in YAML. Raises InvalidInput."""
    import yaml  # noqa: PLC0415 - longer than --help may take

    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not all(name.split(".")):
            raise InvalidInput("--set", f"{name!r} is not NAME=VALUE, such as cql.local_dc=dc1")
        *groups, last = name.split(".")
        into = found
        for group in groups:
            if not isinstance(into.setdefault(group, {}), dict):
                raise InvalidInput("--set", f"{group} is given both as a whole and in part")
            into = into[group]
        try:
            into[last] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise InvalidInput("--set", f"the value of {name} is no YAML: put it in quotes") from None
    return found


def _shown(folder: Path, configuration: "Configuration") -> Path:
    """As the person called it."""
    return configuration.data if folder == configuration.data.absolute() else folder


def who_indexes(configuration: "Configuration") -> str:
    """The process that brings the index in step where a command does not."""
    if configuration.kafka is not None:
        return "the workers (`syncline worker`)"
    return f"the process that {'holds the index' if configuration.local_index else 'runs beside the servers'} (`syncline run`)"


def parse_namespace(text: str) -> Namespace:
    """Read ``users/u1/notes``, or ``["users", "a/b"]`` where a part holds a slash. Empty: every namespace."""
    if not text.startswith("["):
        return tuple(text.strip("/").split("/")) if text.strip("/") else ()
    try:
        parts = json.loads(text)
    except ValueError:
        parts = None
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise InvalidInput("namespace", f'{text!r} is no JSON list of texts: write users/u1/notes or ["users", "a/b"]')
    return tuple(parts)


def show_namespace(namespace: Namespace) -> str:
    """Write a namespace as `parse_namespace` reads it."""
    if any("/" in part or part.startswith("[") for part in namespace):
        return json.dumps(list(namespace), ensure_ascii=False)
    return "/".join(namespace)
