"""From an event to points in the index: the steps of the handler, whatever the transport.

`Indexer` is the whole of it, `Delivery` goes in, an `Outcome` comes out.
"""

from syncline_store.indexing.delivery import Delivery
from syncline_store.indexing.indexer import Indexer
from syncline_store.indexing.outcome import Outcome

__all__ = ["Delivery", "Indexer", "Outcome"]
