"""The handler: raw deliveries in, one verdict out; the indexer does the work, this retries, pauses and buries what is no event."""

from syncline_sync_worker.handler.delivery import Undecodable, decode
from syncline_sync_worker.handler.handler import Handler
from syncline_sync_worker.handler.settings import HandlerSettings
from syncline_sync_worker.handler.verdict import Done, Pause, Verdict

__all__ = ["Done", "Handler", "HandlerSettings", "Pause", "Undecodable", "Verdict", "decode"]
