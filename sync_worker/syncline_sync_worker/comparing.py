"""The reconciler that settings describe, for whoever composes: the command line and the watch."""

from syncline_store.embedding.protocol import Embedder
from syncline_store.index.index import Index
from syncline_store.parts import Parts
from syncline_sync_worker.config import Configuration
from syncline_sync_worker.reconcile.reconciler import Reconciler, overdue
from syncline_sync_worker.reconcile.settings import ReconcileSettings
from syncline_sync_worker.reconcile.unhandled import DIRECT, Unhandled


def configured(configuration: Configuration, parts: Parts, index: Index, embedder: Embedder, settings: ReconcileSettings) -> Reconciler:
    """What compares the parts' source with this index, whose vectors this embedder makes."""
    return Reconciler(
        parts.engine,
        index,
        embedder,
        configuration.indexing_settings,
        clock=parts.clock,
        settings=settings,
        unhandled=_unhandled(configuration),
        overdue=overdue(configuration),
    )


def _unhandled(configuration: Configuration) -> Unhandled:
    """What the workers have still to handle."""
    if configuration.kafka is None:
        return DIRECT
    from syncline_sync_worker.transport.kafka.unhandled import KafkaUnhandled  # noqa: PLC0415 - its client is an extra

    return KafkaUnhandled(configuration.kafka)
