"""The reconciler as a process: storage on one side, index on the other, and whoever is to be told of drift."""

import asyncio

from syncline_contracts.errors import ConfigurationError
from syncline_store.parts import open_parts
from syncline_store.store import Store
from syncline_sync_worker.alerts.sending import Sender
from syncline_sync_worker.config import Configuration
from syncline_sync_worker.processes.serving import Answers, serving
from syncline_sync_worker.processes.waiting import Look, look_after, patiently, unless
from syncline_sync_worker.reconcile.canary import Canary
from syncline_sync_worker.reconcile.reconciler import Reconciler, overdue
from syncline_sync_worker.reconcile.scope import Scope
from syncline_sync_worker.reconcile.unhandled import DIRECT, Unhandled
from syncline_sync_worker.reconcile.watch import Watch


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
        reconciler = Reconciler(
            parts.engine,
            index,
            parts.embedder,
            configuration.indexing_settings,
            clock=parts.clock,
            settings=configuration.reconcile,
            unhandled=unhandled(configuration),
            overdue=overdue(configuration),
        )
        watch = Watch(
            reconciler,
            parts.engine.audit,
            clock=parts.clock,
            scope=scope,
            settings=configuration.watch,
            alerts=configuration.alerts,
            send=sender.send,
            metrics=answers.metrics,
        )
        canary = Canary(
            store.system(),
            f"{scope.part}-{scope.parts}",
            clock=parts.clock,
            settings=configuration.watch.canary,
            alerts=configuration.alerts,
            send=sender.send,
            metrics=answers.metrics,
            measured=lambda lag: reconciler.settle.measured(lag, parts.clock.now()),
        )
        answers.started(tuple)
        storage, behind = _names(configuration)
        looks: dict[str, Look] = {storage: parts.engine.clock, behind: index.count}
        async with asyncio.TaskGroup() as group:
            group.create_task(watch.run(stop))
            group.create_task(canary.run(stop))
            group.create_task(look_after(looks, answers.health, stop))


def unhandled(configuration: Configuration) -> Unhandled:
    """What the workers have still to handle."""
    if configuration.kafka is None:
        return DIRECT
    from syncline_sync_worker.transport.kafka.unhandled import KafkaUnhandled  # noqa: PLC0415 - its client is an extra

    return KafkaUnhandled(configuration.kafka)


async def _open(configuration: Configuration, answers: Answers) -> Store:
    storage, index = _names(configuration)
    parts = await patiently(storage, lambda: open_parts(configuration), answers.health)
    store = Store(parts)
    answers.opened.push_async_callback(store.aclose)
    await patiently(index, parts.index, answers.health)
    return store


def _names(configuration: Configuration) -> tuple[str, str]:
    return f"the storage {configuration.store}", f"the index {configuration.index}"
