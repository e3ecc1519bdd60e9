"""The sweep: removes what has outlived its grace."""

from syncline_sync_worker.sweep.sweep import Sweep, Swept

__all__ = ["Sweep", "Swept"]
