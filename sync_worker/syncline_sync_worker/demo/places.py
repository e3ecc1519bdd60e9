"""Where the demo runs: in a folder of its own, or on servers whose relays and workers run."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from qdrant_client import QdrantClient

from syncline_contracts.errors import ConfigurationError, IndexLocked, IndexUnavailable
from syncline_contracts.identity import SEGMENTS
from syncline_store.settings.store import PATH
from syncline_sync_worker.app import App, open_app
from syncline_sync_worker.config import Configuration
from syncline_sync_worker.demo.damage import RawClient
from syncline_sync_worker.demo.folder import claim

Advance = Callable[[int], None]

LOOK_EVERY = 0.3
"""Seconds between two looks at how far relays and workers have come."""
PATIENCE = 60.0
"""Seconds without any progress after which nobody seems to be there."""


class Place(Protocol):
    """What differs between the two."""

    @property
    def raw(self) -> RawClient:
        """Opens the index as anybody could, behind Syncline's back. Nothing else of the demo is open meanwhile."""

    async def prepare(self, *, keep: bool) -> bool:
        """Make ready; whether an earlier demo's data was removed. Raises ConfigurationError where data is not a demo's to change."""

    async def follow(self, app: App, advance: Advance, *, settle: bool = False) -> None:
        """Return once the index has followed; with `settle`, once no write of now counts as in flight any more. Raises Unavailable."""


class InFolder:
    """SQLite and a local index; this process indexes."""

    def __init__(self, configuration: Configuration) -> None:
        self._folder = configuration.data
        self._index = Path(configuration.index.removeprefix(PATH))

    @contextmanager
    def raw(self) -> Iterator[QdrantClient]:
        """Open the index's folder; Syncline must have closed it."""
        client = QdrantClient(path=str(self._index))
        try:
            yield client
        finally:
            client.close()

    async def prepare(self, *, keep: bool) -> bool:
        """Claim the folder."""
        return await asyncio.to_thread(claim, self._folder, keep=keep, unused=self._refuse_if_held)

    async def follow(self, app: App, advance: Advance, *, settle: bool = False) -> None:
        """Index what is pending."""
        await app.in_step(advance, settle=settle)

    def _refuse_if_held(self) -> None:
        if not self._index.is_dir():
            return
        try:
            with self.raw():
                return
        except RuntimeError:
            raise IndexLocked(f"another process works in {self._folder}: end it, or name another folder with --data") from None


class OnServers:
    """Whatever the configuration names; relays and workers are there and index."""

    def __init__(self, configuration: Configuration) -> None:
        if configuration.local_index or configuration.cql_settings is None:
            raise ConfigurationError(
                f"--on-servers: {configuration.where} are no servers: give both by settings (SYNCLINE_STORE=cql://..., "
                "SYNCLINE_INDEX=http://...), or leave --on-servers out"
            )
        self._configuration = configuration

    @contextmanager
    def raw(self) -> Iterator[QdrantClient]:
        """A client of its own."""
        key = self._configuration.index_api_key
        client = QdrantClient(url=self._configuration.index, api_key=None if key is None else key.get_secret_value())
        try:
            yield client
        finally:
            client.close()

    async def prepare(self, *, keep: bool) -> bool:
        """Nothing on servers is removed."""
        async with open_app(self._configuration) as app:
            async for heads in app.engine.documents.heads(0, SEGMENTS - 1):
                if len(heads) and not keep:
                    raise ConfigurationError(
                        f"{self._configuration.store} holds documents, and the demo does damage: name a keyspace without any, "
                        "or say --keep where they are an earlier demo's"
                    )
        return False

    async def follow(self, app: App, advance: Advance, *, settle: bool = False) -> None:
        """Wait for the others: until nothing is unpublished or unhandled."""
        left, moved = None, time.monotonic()
        while (now := await app.pending(settle=settle)) != 0:
            if left is None or now < left:
                advance(0 if left is None else left - now)
                left, moved = now, time.monotonic()
            if time.monotonic() - moved > PATIENCE + app.engine.outbox.lateness / 1e6:
                raise IndexUnavailable(f"{now} events wait and nobody handles them: do `syncline relay` and `syncline worker` run?")
            await asyncio.sleep(LOOK_EVERY)


def place_of(configuration: Configuration, *, on_servers: bool) -> Place:
    """One of the two. Raises ConfigurationError."""
    return OnServers(configuration) if on_servers else InFolder(configuration)
