"""Which collection is searched: switched when the next one is complete, switched back, and what is no longer wanted dropped."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from syncline_contracts.drift import DriftReport, Verdict
from syncline_contracts.errors import ConfigurationError, InvalidInput
from syncline_store.embedding.protocol import Embedder
from syncline_store.index.alias import Built
from syncline_store.index.index import Index


@dataclass(frozen=True, slots=True)
class Side:
    """A model that the settings name, and its collection. Writes reach it as far as processes have these settings."""

    index: Index
    embedder: Embedder
    setting: str
    """``embedder`` or ``next.embedder``: what names it."""


@dataclass(frozen=True, slots=True)
class Turned:
    """The alias points to `collection`. `before` is the same where it did so already."""

    collection: str
    before: str | None
    report: DriftReport | None


@dataclass(frozen=True, slots=True)
class Refused:
    """The alias is as it was."""

    why: str
    report: DriftReport | None = None


Check = Callable[[Side], Awaitable[DriftReport]]
"""The reconciler on one of the collections."""


class Alias:
    """The alias of the settings, and the collections behind it.

    A process finds its collection when it opens the index, by its own model, and stays with it: whenever the alias is switched, queries
    meet vectors of their own model only. What the switch changes is which model a process must write to, and which one is new.
    """

    def __init__(self, sides: Sequence[Side], check: Check) -> None:
        self._sides = sides
        self._index = sides[0].index
        self._check = check

    async def collections(self) -> list[Built]:
        """Every collection of the alias, the one that it points to first. Raises IndexUnavailable."""
        return await self._index.collections()

    def setting(self, collection: str) -> str | None:
        """Which setting names its model; None: writes with these settings do not reach it."""
        return next((side.setting for side in self._sides if side.index.collection == collection), None)

    async def switch(self, *, force: bool) -> Turned | Refused:
        """Point the alias at the next model's collection, if the reconciler finds it in step, or `force`. Raises Unavailable."""
        if len(self._sides) == 1:
            raise ConfigurationError("there is no next model: name it in `next.embedder`, or with --model")
        side, serving = self._sides[1], await self._serving()
        if serving is not None and serving.before == side.index.collection:
            return Refused(f"{side.index.collection!r} is what served before: go back to it with `syncline reindex rollback`")
        return await self._turn(side, serving, force=force, remember=True)

    async def rollback(self, *, force: bool) -> Turned | Refused:
        """Point the alias back at the collection that served before the switch, if writes have kept it in step, or `force`."""
        serving = await self._serving()
        if serving is None or serving.before is None:
            return Refused("nothing was switched: there is no collection to go back to")
        if serving.before not in [each.collection for each in await self.collections()]:
            return Refused(f"{serving.before!r}, which served before, is gone: build it anew and switch to it")
        side = next((side for side in self._sides if side.index.collection == serving.before), None)
        if side is not None:
            return await self._turn(side, serving, force=force, remember=False)
        if not force:
            return Refused(f"these settings do not name the model of {serving.before!r}: name it in `next`, so that it can be checked")
        await self._index.turn(serving.before, remember=False)
        return Turned(serving.before, serving.collection, None)

    async def droppable(self, name: str) -> Built:
        """The collection of this name, or of the model of this name. Raises InvalidInput where it must stay, or is not there."""
        collections = await self.collections()
        named = [each for each in collections if name in (each.collection, each.model)]
        if len(named) != 1:
            known = ", ".join(f"{each.model} ({each.collection})" for each in collections)
            raise InvalidInput("MODEL", f"{name!r} is {'the model of several' if named else 'none'} of {known}")
        (found,) = named
        if found.serves:
            raise InvalidInput("MODEL", f"the alias points to {found.collection!r}: it is in use")
        setting = self.setting(found.collection)
        if setting is not None:
            raise InvalidInput(
                "MODEL", f"{setting} names the model of {found.collection!r}: take that out of the settings of every process first"
            )
        return found

    async def drop(self, collection: Built) -> None:
        """Delete it. Processes that still search or write it get IndexUnavailable. Raises IndexUnavailable."""
        await self._index.drop(collection.collection)

    async def _serving(self) -> Built | None:
        return next((each for each in await self.collections() if each.serves), None)

    async def _turn(self, side: Side, serving: Built | None, *, force: bool, remember: bool) -> Turned | Refused:
        collection = side.index.collection
        if serving is not None and serving.collection == collection:
            return Turned(collection, collection, None)
        report = None if force else await self._check(side)
        if report is not None and report.verdict is not Verdict.IN_STEP:
            return Refused(f"{collection!r} is not in step with the source: build it, or look at what differs", report)
        await self._index.turn(collection, remember=remember)
        return Turned(collection, None if serving is None else serving.collection, report)
