"""From put to search in the distributed mode: see searchable.py."""

import tempfile
from pathlib import Path

from syncline_store import open_store
from tests.benchmarks.figure import Figure
from tests.benchmarks.searchable import measured
from tests.parts.servers.cassandra import PASSWORD, USER
from tests.parts.stack import open_stack, servers


async def bench() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder, servers() as on, open_stack(Path(folder), on, {}) as stack:
        stack.begin("relay", "relay")
        stack.begin("worker", "worker")
        stack.wait_for("relay", "worker")
        settings = {"user": USER, "password": PASSWORD, "replication": {"factor": 1}}
        async with open_store(
            stack.environment["SYNCLINE_STORE"], cql=settings, index=on.qdrant.url, collection=stack.name, indexing="relay"
        ) as store:
            return await measured(store, "CQL and Kafka")
