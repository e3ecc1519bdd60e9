"""Where ScyllaDB and Cassandra differ: all of it is here.

| | ScyllaDB | Cassandra |
|---|---|---|
| expired rows of insert-only tables | tombstone_gc = timeout, or they are purged after repairs only | gc_grace_seconds |
| `IN` on a clustering key | 100 values at most | no limit: we keep to 100 |
| rows that a conditional statement returns | the old row, also when applied | only when not applied: we read `[applied]` alone |
| scans | pass by the cache, which they would fill with what nobody reads again; the server's limit of time is ours | as any read |
| a batch's size | warns at 128 KiB, fails at 1 MiB | 5 and 50 KiB: we keep below 50 |
"""

from dataclasses import dataclass

IN_VALUES = 100
"""Values in one `IN`."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What migrations and statements are filled in with for a server."""

    name: str
    tombstones_by_time: str
    scan: str
    """Behind a statement that reads whole parts of the ring; ``{milliseconds}`` is how long its caller waits."""


SCYLLADB = Dialect("ScyllaDB", "\n  AND tombstone_gc = {'mode': 'timeout'}", " BYPASS CACHE USING TIMEOUT {milliseconds}ms")
CASSANDRA = Dialect("Cassandra", "", "")

TELL = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = 'system' AND table_name = 'scylla_local'"
"""Returns a row on ScyllaDB alone."""
