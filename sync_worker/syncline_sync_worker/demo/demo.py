"""The demo: import real text, search it, damage the index behind Syncline's back, find the drift, repair it."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractContextManager

from syncline_contracts.drift import DriftKind, DriftReport
from syncline_contracts.errors import ConfigurationError
from syncline_contracts.identity import Ref
from syncline_sync_worker.app import App, open_app
from syncline_sync_worker.config import Configuration
from syncline_sync_worker.demo.corpus import LIBRARY, TOPICS, corpus
from syncline_sync_worker.demo.damage import EACH, Photo, damage, photograph
from syncline_sync_worker.demo.places import Place
from syncline_sync_worker.demo.questions import QUESTIONS
from syncline_sync_worker.demo.steps import Answer, Answered, Changed, Checked, Damaged, Indexed, Repaired, Step, Stored
from syncline_sync_worker.imports import Item, Problem
from syncline_sync_worker.reconcile.settings import ReconcileSettings

TENANT = "default"
Progress = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]
"""Shows a bar, with a total where that is known, while it is entered; what it gives is called with how many more are done."""

_CAREFUL = ReconcileSettings(settle=0.0, delay=0.2)
"""Nobody else writes here, and the marks have passed what was written: a short second look is enough."""
_SHORT = 600
"""Characters of a document that is surely one passage."""


class Demo:
    """One run in one place. `run` yields the steps as they are done; between them nothing is open."""

    def __init__(self, place: Place, settings: Configuration, progress: Progress) -> None:
        self._place = place
        self._settings = settings
        self._progress = progress
        self._written = 0
        self._edit: list[Item] = []
        self._delete: list[Item] = []

    async def run(self, *, keep: bool = False) -> AsyncGenerator[Step, None]:
        """Do it all. Raises ConfigurationError for a place that is not a demo's."""
        anew = await self._place.prepare(keep=keep)
        async with open_app(self._settings) as app:
            yield await self._store(app, anew=anew)
            yield await self._index(app)
            yield await self._ask(app)
        photo = await asyncio.to_thread(self._photograph)
        async with open_app(self._settings) as app:
            yield await self._change(app)
        yield await asyncio.to_thread(self._damage, photo)
        async with open_app(self._settings) as app:
            checked, report = await self._check(app)
            yield checked
            yield await self._repair(app, report)
            checked, _ = await self._check(app)
            yield checked

    async def _store(self, app: App, *, anew: bool) -> Stored:
        began = time.monotonic()
        kinds: Counter[str] = Counter()
        with self._progress("storing", None) as advance:
            outcome = await app.importer(TENANT).run(self._remembering(kinds), stop=asyncio.Event(), advance=advance)
        self._written = outcome.written
        if len(self._edit) < EACH or len(self._delete) < EACH:
            raise ConfigurationError("this Python comes without its source: the demo needs the standard library's .py files")
        return Stored(kinds, outcome.written, outcome.unchanged, anew, time.monotonic() - began)

    def _remembering(self, kinds: Counter[str]) -> Iterator[Item | Problem]:
        """The corpus, and a note of the short functions that will be edited and deleted later."""
        for item in corpus():
            kinds[item.value["kind"]] += 1
            if item.value["kind"] == "function" and len(item.value["text"]) < _SHORT:
                chosen = self._edit if len(self._edit) < EACH else self._delete
                if len(chosen) < EACH:
                    chosen.append(item)
            yield item

    async def _index(self, app: App) -> Indexed:
        began = time.monotonic()
        with self._progress("indexing", self._written) as advance:
            await self._place.follow(app, advance)
        documents, points = await app.indexed()
        return Indexed(documents, points, time.monotonic() - began)

    async def _ask(self, app: App) -> Answered:
        began = time.monotonic()
        view = app.store.tenant(TENANT)
        answers = []
        for question in QUESTIONS:
            hits = await view.search(TOPICS[:1], query=question.query, limit=3)
            answers.append(Answer(question, hits[0] if hits else None))
        return Answered(answers, time.monotonic() - began)

    async def _change(self, app: App) -> Changed:
        began = time.monotonic()
        view = app.store.tenant(TENANT)
        for item in self._edit:
            await view.put(item.namespace, item.key, item.value | {"text": f"{item.value['text']}\nEdited."}, index=item.index)
        for item in self._delete:
            await view.delete(item.namespace, item.key)
        with self._progress("indexing", EACH * 2) as advance:
            await self._place.follow(app, advance, settle=True)
        return Changed(len(self._edit), len(self._delete), time.monotonic() - began)

    def _photograph(self) -> Photo:
        return photograph(self._place.raw, self._settings.collection, _refs(self._edit), _refs(self._delete))

    def _damage(self, photo: Photo) -> Damaged:
        stranger = Ref(TENANT, LIBRARY, "never.written")
        return Damaged(damage(self._place.raw, self._settings.collection, photo, stranger=stranger))

    async def _check(self, app: App) -> tuple[Checked, DriftReport]:
        began = time.monotonic()
        reconciler = await app.reconciler(_CAREFUL)
        with self._progress("comparing", None):
            report = await reconciler.check(sample=1.0)
        found: dict[DriftKind, frozenset[uuid.UUID]] = {}
        for finding in report.findings:
            found[finding.kind] = found.get(finding.kind, frozenset()) | {finding.document}
        checked = Checked(
            found=found,
            uncertain=report.young + report.unlisted + (report.refused is not None),
            documents=report.documents,
            points=report.points,
            sampled=report.sampled,
            seconds=time.monotonic() - began,
        )
        return checked, report

    async def _repair(self, app: App, report: DriftReport) -> Repaired:
        began = time.monotonic()
        reconciler = await app.reconciler(_CAREFUL)
        repaired = await reconciler.repair(report)
        with self._progress("indexing", repaired.repaired) as advance:
            await self._place.follow(app, advance)
        return Repaired(repaired.repaired, time.monotonic() - began)


def _refs(items: list[Item]) -> list[Ref]:
    return [Ref(TENANT, item.namespace, item.key) for item in items]
