"""A store that is written to at full speed, its relay and worker killed again and again, a watch beside it, and silent damages."""

import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Self

import numpy as np
from qdrant_client import AsyncQdrantClient

from syncline_contracts.drift import Finding
from syncline_contracts.identity import Ref
from syncline_contracts.revision import now_us
from syncline_store import Store, open_store
from syncline_sync_worker.reconcile.reports import Kept, Reports
from tests.acceptance.conftest import ENVIRONMENT, PRELOADED, main_in
from tests.crash import hot
from tests.crash.damages import WAYS, Target, Way
from tests.parts.damage import Damage
from tests.parts.reconciling import long_text

COLD = ("cold",)
"""Where the documents are that are damaged, each once; the writers leave them alone."""
COLLECTION = "watched"
SETTINGS: dict[str, Any] = {
    "collection": COLLECTION,
    "embedder": "wordllama:64",
    "indexing": "relay",
    "indexing_settings.passage_tokens": 16,
}
RUN = {
    "tombstone_grace": 30 * 24 * 3600,
    "relay.lease_life": 1,
    "relay.hot_interval": 0.02,
    "relay.idle_interval": 0.1,
    "relay.checkpoint_every": 0.2,
    "relay.short_every": 0.2,
    "relay.long_every": 0.5,
}
WATCH = {
    "http.port": 0,
    "log.form": "json",
    "watch.interval": 0.3,
    "watch.sample": 1,
    "watch.repair": "true",
    "reconcile.settle": 1,
    "reconcile.delay": 0.2,
    "reconcile.few": 10_000,
}


class Deployment:
    """Processes by their names: `run`, `watch`, `writer-0`."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._place = ("--store", f"sqlite:///{folder / 'documents.db'}", "--index", url)
        self._running: dict[str, ForkServerProcess] = {}
        self.store = {"store": self._place[1], "index": url, "collection": COLLECTION, "indexing": "relay"}

    def cli(self, name: str, *command: str, **more: Any) -> None:
        """Start a command of the real command line; what it says stands in `NAME.out`."""
        given = [f"--set={key}={value}" for key, value in {**SETTINGS, **more}.items()]
        streams = tuple(str(self._folder / f"{name}.{stream}") for stream in ("in", "out", "err"))
        for stream in streams:
            Path(stream).touch()
        self._start(name, main_in, self._folder, [*command, *self._place, *given], ENVIRONMENT, streams)

    def writer(self, number: int, seed: int) -> None:
        self._start(f"writer-{number}", hot.writer, self.store, str(self._folder / f"writer-{number}.count"), seed)

    def _start(self, name: str, run: Any, *arguments: Any) -> None:
        self._running[name] = PRELOADED.Process(target=run, args=arguments, name=name)
        self._running[name].start()

    def alive(self, name: str) -> bool:
        return self._running[name].is_alive()

    def kill(self, *names: str) -> None:
        for name in names:
            process = self._running.pop(name)
            process.kill()
            process.join(10)

    def end(self, name: str, within: float) -> int | None:
        """SIGTERM; its exit code."""
        self._running[name].terminate()
        return self.ended(name, within)

    def ended(self, name: str, within: float) -> int | None:
        """The exit code of what ends by itself."""
        process = self._running.pop(name)
        process.join(within)
        code = process.exitcode
        process.kill()
        return code

    def written(self) -> int:
        """Changes that writers were told of, about."""
        return sum(int(path.read_text().strip() or 0) for path in self._folder.glob("writer-*.count"))

    def said(self, name: str) -> str:
        return "\n".join(path.read_text()[-2000:] for path in self._folder.glob(f"{name}.*") if path.suffix in (".out", ".err"))

    def close(self) -> None:
        self.kill(*self._running)


@dataclass
class Harm:
    """One damage, from before it was done until the index is what it was. Times are µs since 1970."""

    name: str
    way: Way
    target: Target
    before: dict[str, Any]
    made: int
    found: int | None = None
    mended: int | None = None

    @property
    def ref(self) -> Ref:
        return self.target.stranger if self.way.on_stranger else self.target.ref

    def explains(self, finding: Finding, report: Kept) -> bool:
        """Whether the finding is about this damage, named as it should be."""
        started = report.counts["started_at"]
        in_time = self.made <= report.at and (self.mended is None or started <= self.mended)
        return finding.ref.document == self.ref.document and finding.kind is self.way.kind and in_time


@dataclass
class Watched:
    """What is damaged, found and mended."""

    store: Store
    damage: Damage
    chance: random.Random
    harms: list[Harm] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    """False ones."""
    walks: Counter[str] = field(default_factory=Counter)
    _read: set[str] = field(default_factory=set)
    _free: list[str] = field(default_factory=list)
    _put: int = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: dict[str, Any], chance: random.Random) -> AsyncIterator[Self]:
        raw = AsyncQdrantClient(url=settings["index"], check_compatibility=False, timeout=60)
        async with open_store(**settings) as store:
            yield cls(store, Damage(raw, COLLECTION), chance)
        await raw.close()

    async def put_cold(self, count: int) -> None:
        self._free = [f"c{number:04d}" for number in range(count)]
        view = self.store.tenant(hot.TENANT)
        for key in self._free:
            self._put = await view.put(COLD, key, {"text": long_text(f"first {key}", f"second {key}", f"third {key}")})

    async def indexed(self) -> bool:
        """All cold documents are, and the marks have passed them: no event of theirs comes again."""
        marks = await self.store.parts.engine.leases.marks()
        return all(mark is not None and mark.at > self._put for mark in marks.values())

    async def harm(self, name: str) -> None:
        """Damage another document in this way."""
        ref, way = cold(self._free.pop()), WAYS[name]
        before = await self.damage.living(ref)
        harm = Harm(name, way, Target(ref, len(before), self.chance, now_us()), {} if way.on_stranger else before, now_us())
        self.harms.append(harm)
        await way.do(self.damage, harm.target)

    @property
    def open_harms(self) -> list[Harm]:
        return [harm for harm in self.harms if harm.mended is None]

    async def look(self) -> None:
        """Read the watch's new reports, and see what is mended."""
        async for kept in self._new_reports():
            self.walks[kept.verdict] += 1
            for finding in await Reports(self.store.parts.engine.audit).findings(kept):
                self._judge(finding, kept)
        for harm in self.open_harms:
            if harm.found is not None and await self._is_mended(harm):
                harm.mended = now_us()

    async def _new_reports(self) -> AsyncIterator[Kept]:
        found = []
        async for kept in Reports(self.store.parts.engine.audit).newest():
            if kept.id in self._read:
                break
            found.append(kept)
        self._read |= {kept.id for kept in found}
        for kept in reversed(found):
            yield kept

    def _judge(self, finding: Finding, report: Kept) -> None:
        harm = next((harm for harm in self.harms if harm.explains(finding, report)), None)
        if harm is None:
            known = [f"{harm.name} (made {harm.made}, mended {harm.mended})" for harm in self.harms if harm.ref == finding.ref]
            self.alarms.append(f"{finding.model_dump_json()} at {report.at}, begun {report.counts['started_at']}; done to it: {known}")
        elif harm.found is None:
            harm.found = report.at

    async def _is_mended(self, harm: Harm) -> bool:
        return same(await self.damage.living(harm.ref), harm.before)


def cold(key: str) -> Ref:
    return Ref(hot.TENANT, COLD, key)


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Points of the same payloads and the same vectors, but for rounding."""
    if one.keys() != other.keys():
        return False
    return all(one[point][0] == other[point][0] and _alike(one[point][1], other[point][1]) for point in one)


def _alike(one: Any, other: Any) -> bool:
    if not one or not other or one.keys() != other.keys():
        return not one and not other
    return all(np.allclose(one[name], other[name], atol=1e-4) for name in one)
