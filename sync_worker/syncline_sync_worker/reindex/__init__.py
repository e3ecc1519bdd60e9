"""From one embedding model to another while everything goes on: fill the next model's collection, switch the alias, go back, drop.

`Build` fills, `Alias` says which collection is searched.
"""

from syncline_sync_worker.reindex.alias import Alias, Side
from syncline_sync_worker.reindex.build import Build
from syncline_sync_worker.reindex.progress import Progress

__all__ = ["Alias", "Build", "Progress", "Side"]
