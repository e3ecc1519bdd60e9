"""The reconciler as a process: storage on one side, index on the other, and whoever is to be told of drift."""

import asyncio
from dataclasses import dataclass

from syncline_contracts.errors import ConfigurationError
from syncline_store.parts import open_parts
from syncline_store.store import Store
from syncline_sync_worker.alerts.sending import Sender
from syncline_sync_worker.comparing import configured
from syncline_sync_worker.config import Configuration
from syncline_sync_worker.observability.metrics import Metrics
from syncline_sync_worker.processes.serving import Answers, serving
from syncline_sync_worker.processes.waiting import Look, look_after, patiently
from syncline_sync_worker.reconcile.canary import Canary
from syncline_sync_worker.reconcile.reconciler import Reconciler
from syncline_sync_worker.reconcile.scope import Scope
from syncline_sync_worker.reconcile.watch import Send, Watch
from syncline_sync_worker.transport.backoff import unless


async def run_watch(configuration: Configuration, scope: Scope, stop: asyncio.Event) -> None:
    """Compare again and again until the stop; a repair under way is finished.

    Waits for parts that are away. Raises ConfigurationError for what waiting cannot mend. A local index belongs to the process that
    indexes: none can watch it.
    """
    if configuration.local_index:
        raise ConfigurationError(
            f"index: {configuration.index} is open in one process at a time, and a watch would keep it: run `syncline reconcile check` "
            "now and then instead, or give a Qdrant server's URL"
        )
    sender = Sender(configuration.alerts)
    async with serving("watch", configuration, stop) as answers:
        store = await unless(stop, _open(configuration, answers))
        if store is None:
            return
        parts = store.parts
        index = await parts.index()
        reconciler = configured(configuration, parts, index, parts.embedder, configuration.reconcile)
        watching = _Watching(configuration, scope, store, reconciler, sender.send, answers.metrics)
        answers.started(tuple)
        storage, behind = _names(configuration)
        looks: dict[str, Look] = {storage: parts.engine.clock, behind: index.count}
        async with asyncio.TaskGroup() as group:
            group.create_task(watching.watch().run(stop))
            group.create_task(watching.canary().run(stop))
            group.create_task(look_after(looks, answers.health, stop))


async def _open(configuration: Configuration, answers: Answers) -> Store:
    storage, index = _names(configuration)
    parts = await patiently(storage, lambda: open_parts(configuration), answers.health)
    store = Store(parts)
    answers.opened.push_async_callback(store.aclose)
    await patiently(index, parts.index, answers.health)
    return store


@dataclass(frozen=True, slots=True)
class _Watching:
    """What the watch and its canary are made of."""

    configuration: Configuration
    scope: Scope
    store: Store
    reconciler: Reconciler
    send: Send
    metrics: Metrics

    def watch(self) -> Watch:
        return Watch(
            self.reconciler,
            self.store.parts.engine.audit,
            clock=self.store.parts.clock,
            scope=self.scope,
            settings=self.configuration.watch,
            alerts=self.configuration.alerts,
            send=self.send,
            metrics=self.metrics,
        )

    def canary(self) -> Canary:
        """What it measures is how long the reconciler leaves writes alone."""
        clock = self.store.parts.clock
        return Canary(
            self.store.system(),
            f"{self.scope.part}-{self.scope.parts}",
            clock=clock,
            settings=self.configuration.watch.canary,
            alerts=self.configuration.alerts,
            send=self.send,
            metrics=self.metrics,
            measured=lambda lag: self.reconciler.settle.measured(lag, clock.now()),
        )


def _names(configuration: Configuration) -> tuple[str, str]:
    return f"the storage {configuration.store}", f"the index {configuration.index}"
