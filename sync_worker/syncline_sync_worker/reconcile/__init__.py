"""Compares what the source and the index really hold, both ways; repairs through the outbox when asked to.

The reconciler itself is in `reconciler`: it imports the index, which takes a second.
"""

from syncline_sync_worker.reconcile.progress import Progress, ProgressCallback, Stage
from syncline_sync_worker.reconcile.scope import Scope
from syncline_sync_worker.reconcile.settings import ReconcileSettings

__all__ = ["Progress", "ProgressCallback", "ReconcileSettings", "Scope", "Stage"]
