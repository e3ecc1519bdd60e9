"""The relay: reads leased outbox shards, publishes each row at least once, and moves the mark behind what is safe."""

from syncline_sync_worker.relay.relay import Relay
from syncline_sync_worker.relay.settings import RelaySettings

__all__ = ["Relay", "RelaySettings"]
