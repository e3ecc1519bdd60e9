"""Clients of a few keys that write plainly and on conditions, by clocks that differ, and log what they did. Some are killed."""

import asyncio
import json
import os
import random
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_never

from syncline_contracts.errors import Unavailable, WriteOutcomeUnknown
from syncline_contracts.revision import Clock, now_us
from syncline_store import Applied, Document, Refused, Superseded, TenantView
from syncline_store.conditional import Outcome
from syncline_store.engines.cql import CqlSettings, open_cql
from syncline_store.engines.protocol import Engine
from syncline_store.engines.sqlite import open_sqlite
from syncline_store.testing import open_test_store
from tests.crash.processes import TENANT, Place, run_in_child

KEYS = ("a", "b", "c")
NAMESPACE = ("conditional",)
AT_ONCE = 2
"""Operations that one client has under way."""


@dataclass(frozen=True)
class Client:
    """`off`: µs by which its clock is wrong. Who deletes is not to be killed: nobody could tell when an unheard deletion took effect."""

    place: Place
    name: str
    off: int
    deletes: bool = False
    cql: CqlSettings | None = None

    @property
    def log(self) -> Path:
        return self.place.folder / f"{self.name}.jsonl"

    @property
    def end(self) -> Path:
        """Made by who wants it to end."""
        return self.place.folder / f"{self.name}.end"


async def open_engine(place: Place, cql: CqlSettings | None, clock: Clock) -> Engine:
    if cql is None:
        return await open_sqlite(place.settings.sqlite_path, clock=clock)
    engine = await open_cql(cql, clock=clock)
    await engine.migrate()
    return engine


def client(client: Client) -> None:
    run_in_child(client.place, client.name, _work(client))


async def _work(client: Client) -> None:
    clock = Clock(now=lambda: now_us() + client.off)
    engine = await open_engine(client.place, client.cql, clock)
    with client.log.open("ab", buffering=0) as log:
        async with open_test_store(engine=engine, clock=clock, indexing="relay") as store:
            hands = [Hand(client, store.tenant(TENANT), log.fileno()) for _ in range(AT_ONCE)]
            await asyncio.gather(*(hand.work() for hand in hands))


class Hand:
    """One operation after another; it remembers what it last saw of each key."""

    def __init__(self, client: Client, tenant: TenantView, log: int) -> None:
        self._client = client
        self._tenant = tenant
        self._log = log
        self._seen: dict[str, Document | None] = {}
        self._random = random.Random()

    async def work(self) -> None:
        kinds = ["read", "put", "absent", "revision", "revision", "value"] + ["delete", "delete_if"] * self._client.deletes
        while not self._client.end.exists():
            await self.operate(self._random.choice(KEYS), self._random.choice(kinds))

    async def operate(self, key: str, kind: str) -> None:
        name, seen = uuid.uuid4().hex, self._seen.get(key)
        expects: Any = None
        if kind in ("revision", "delete_if"):
            expects = 1 if seen is None else seen.revision
        elif kind == "value":
            expects = "nobody" if seen is None else seen.value["name"]
        what = kind if kind in ("read", "put") else "put" if kind == "delete" else "if"
        value = None if kind.startswith("delete") else name
        self._note(id=name, key=key, kind=what, expects=expects, value=value, at=time.monotonic())
        try:
            answer = await self._ask(key, kind, {"name": name}, expects)
        except (WriteOutcomeUnknown, Unavailable):
            return
        self._note(id=name, key=key, at=time.monotonic(), **self._told(key, answer))

    async def _ask(self, key: str, kind: str, value: dict[str, Any], expects: Any) -> Outcome | Document | int | None:
        tenant = self._tenant
        calls: dict[str, Callable[[], Awaitable[Outcome | Document | int | None]]] = {
            "read": lambda: tenant.get(NAMESPACE, key),
            "put": lambda: tenant.put(NAMESPACE, key, value),
            "delete": lambda: tenant.delete(NAMESPACE, key),
            "absent": lambda: tenant.put_if_absent(NAMESPACE, key, value),
            "revision": lambda: tenant.update_if(NAMESPACE, key, value, revision=expects),
            "value": lambda: tenant.update_if_value(NAMESPACE, key, value, expected={"name": expects}),
            "delete_if": lambda: tenant.delete_if(NAMESPACE, key, revision=expects),
        }
        return await calls[kind]()

    def _told(self, key: str, answer: Outcome | Document | int | None) -> dict[str, Any]:
        match answer:
            case Applied(revision):
                return {"outcome": "applied", "revision": revision}
            case int():
                return {"outcome": "applied", "revision": answer}
            case Refused(document):
                return {"outcome": "refused", "seen": self._saw(key, document)}
            case Superseded(document):
                return {"outcome": "superseded", "seen": self._saw(key, document)}
            case Document() | None:
                return {"outcome": "applied", "seen": self._saw(key, answer)}
            case _:
                assert_never(answer)

    def _saw(self, key: str, document: Document | None) -> list[Any] | None:
        self._seen[key] = document
        return None if document is None else [document.revision, document.value["name"]]

    def _note(self, **line: Any) -> None:
        os.write(self._log, json.dumps(line).encode() + b"\n")
