"""Where the data is: a folder that holds both sides, or an address for each."""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from syncline_contracts.errors import ConfigurationError, InvalidInput
from syncline_contracts.identity import Namespace
from syncline_sync_worker.demo.folder import disown

if TYPE_CHECKING:
    from syncline_store.settings import StoreSettings

DEFAULT_FOLDER = Path("syncline-data")
DATABASE = "documents.db"
INDEX = "index"
PATIENCE = 3.0
"""Seconds that a write whose outcome is unknown is repeated before the person who waits is told."""


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of ``--data``; ``--store`` and ``--index`` override what lies in it."""

    data: Path
    store: str | None = None
    index: str | None = None

    @property
    def option(self) -> str:
        """What must be said to get here with another command, with a space before it."""
        given = {"--data": None if self.data == DEFAULT_FOLDER else str(self.data), "--store": self.store, "--index": self.index}
        return "".join(f" {name} {shlex.quote(value)}" for name, value in given.items() if value is not None)

    def settings(self) -> "StoreSettings":
        """Settings of the store there. Raises ConfigurationError for an address that is none."""
        from syncline_store.settings import store_settings  # noqa: PLC0415 - pydantic takes longer than --help may

        data = self.data.absolute()
        return store_settings(
            store=self.store or f"sqlite:///{data / DATABASE}",
            index=self.index or f"path:{data / INDEX}",
            indexing="relay",
            write_deadline=PATIENCE,
        )

    def expect(self) -> None:
        """Raise ConfigurationError where a command that only reads would find nothing, instead of making an empty store."""
        if self.store is None and not (self.data / DATABASE).is_file():
            raise ConfigurationError(
                f"there are no documents in {self.data}: put some there with `syncline import PATH --data {self.data}`, "
                "or name another folder with --data (or SYNCLINE_DATA)"
            )

    def make(self) -> None:
        """Make the folder, to be written to: a demo's data in it is no longer the demo's to remove.

        Raises ConfigurationError where that cannot be done.
        """
        if self.store is not None and self.index is not None:
            return
        try:
            self.data.mkdir(parents=True, exist_ok=True)
            disown(self.data)
        except OSError as error:
            raise ConfigurationError(
                f"cannot make or write the data folder {self.data} ({error.strerror}): name another with --data"
            ) from None


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
