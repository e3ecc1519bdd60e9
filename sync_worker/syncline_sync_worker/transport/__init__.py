"""How events get from the relay to the handler: straight (direct), or through a broker."""

from syncline_sync_worker.transport.direct import DirectPublisher
from syncline_sync_worker.transport.protocol import Publisher

__all__ = ["DirectPublisher", "Publisher"]
