"""The CQL servers themselves: their versions, and how the keyspace is spread over them."""

from collections import Counter
from collections.abc import AsyncGenerator, Mapping

from syncline_store.engines.cql.dialects import TELL
from syncline_store.engines.cql.session import CqlSession
from syncline_sync_worker.doctor.finding import Finding, fail, ok, warn
from syncline_sync_worker.doctor.version import parsed

SCYLLADB_FLOOR = (2025, 4)
CASSANDRA_FLOOR = (4, 1)
CASSANDRA_RUN = (5, 0)
"""What Syncline's own tests run on."""

_SCYLLADB = "SELECT version FROM system.versions"
_CASSANDRA = "SELECT release_version FROM system.local"
_HERE = "SELECT data_center FROM system.local"
_PEERS = "SELECT data_center FROM system.peers"
_REPLICATION = "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = '{keyspace}'"


async def look(session: CqlSession) -> AsyncGenerator[Finding, None]:
    """Version, nodes and replication. Raises StorageUnavailable, ConfigurationError."""
    name = "ScyllaDB" if await session.define(TELL) else "Cassandra"
    ((version, *_), *_) = await session.define(_SCYLLADB if name == "ScyllaDB" else _CASSANDRA)
    yield version_verdict(name, version)
    nodes = Counter([row[0] for text in (_HERE, _PEERS) for row in await session.define(text)])
    if found := await session.define(_REPLICATION.format(keyspace=session.settings.keyspace)):
        yield replication_verdict(dict(found[0][0]), nodes, session.local_dc)


def version_verdict(name: str, version: str) -> Finding:
    """Below the floor conditional writes do not work as they must (ScyllaDB's with tablets), or nothing was ever tried."""
    said, found = f"{name} {version}", parsed(version)
    if name == "ScyllaDB":
        return ok("server", said) if found >= SCYLLADB_FLOOR else fail("server", said, "upgrade to ScyllaDB 2025.4 or later")
    if found < CASSANDRA_FLOOR:
        return fail("server", said, "upgrade to Cassandra 5, or use ScyllaDB 2025.4 or later")
    if found < CASSANDRA_RUN:
        return warn("server", said, "upgrade to Cassandra 5: nothing older was tried")
    return ok("server", f"{said}, compatible with ScyllaDB")


def replication_verdict(replication: Mapping[str, str], nodes: Mapping[str, int], local_dc: str) -> Finding:
    """Held against the nodes there are: `replication` as the keyspace has it, `nodes` by datacentre."""
    told = {name: factor for name, factor in replication.items() if name != "class"}
    said = ", ".join(f"{name}: {factor}" for name, factor in sorted(told.items())) + f" on {_nodes(nodes)}"
    everywhere = "replication_factor" in told
    copies = int(str(told.get("replication_factor", told.get(local_dc, 0))).partition("/")[0])
    there = sum(nodes.values()) if everywhere else nodes.get(local_dc, 0)
    if not copies:
        return fail("replication", f"{said}: none in {local_dc}", "set cql.local_dc to a datacentre that holds copies, or ALTER KEYSPACE")
    if there < copies // 2 + 1:
        return fail("replication", f"{said}: no quorum can answer", "bring the nodes back, or ALTER KEYSPACE to fewer copies")
    if there < copies:
        return warn("replication", said, "some copies have no node: add nodes, or ALTER KEYSPACE to fewer copies")
    if copies == 1:
        return warn("replication", f"{said}: one copy, lost with its node", "ALTER KEYSPACE to 3 copies, then run a repair")
    return ok("replication", said)


def _nodes(nodes: Mapping[str, int]) -> str:
    return " and ".join(f"{count} node{'' if count == 1 else 's'} in {name}" for name, count in sorted(nodes.items()))
