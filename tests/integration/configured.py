"""The distributed mode's configuration on the servers of the test session: a keyspace, topics and a collection of the test's own."""

import pytest

from syncline_sync_worker.cli.place import Place
from syncline_sync_worker.config import Configuration
from tests.parts.servers import cql
from tests.parts.servers.kafka import KafkaServer
from tests.parts.servers.qdrant import QdrantServer
from tests.parts.stack import Servers


@pytest.fixture
def configured(keyspace: str, kafka: KafkaServer, qdrant: QdrantServer, monkeypatch: pytest.MonkeyPatch) -> Configuration:
    """As the environment of a process would say it."""
    for name, value in Servers(cql.server(), kafka, qdrant).environment(keyspace).items():
        monkeypatch.setenv(name, value)
    return Place().configuration()


def but(**given: str) -> Configuration:
    """The same, with some settings given on the command line; their dots are written as ``__``."""
    return Place(changes=tuple(f"{name.replace('__', '.')}={value}" for name, value in given.items())).configuration()
