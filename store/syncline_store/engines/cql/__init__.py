"""The engine on ScyllaDB or Cassandra, by scylla-driver: needs the extra ``syncline-store[cql]``."""

from syncline_store.engines.cql.engine import CqlEngine, open_cql
from syncline_store.settings import CqlSettings

__all__ = ["CqlEngine", "CqlSettings", "open_cql"]
