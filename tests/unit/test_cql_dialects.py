"""What a statement is on ScyllaDB and on Cassandra."""

import pytest

from syncline_store.engines.cql.dialects import CASSANDRA, SCYLLADB
from syncline_store.engines.cql.session import Statement
from syncline_store.engines.cql.statements import documents
from syncline_store.settings import CqlSettings

SETTINGS = CqlSettings(keyspace="mine", request_timeout=2.5)


@pytest.mark.parametrize("statement", [documents.HEADS, documents.COUNTED])
def test_scans_pass_by_scylladbs_cache_and_end_when_their_caller_gives_up(statement: Statement) -> None:
    on_cassandra = statement.on(CASSANDRA, SETTINGS)
    assert " FROM mine.documents WHERE " in on_cassandra
    assert "{" not in on_cassandra
    assert statement.on(SCYLLADB, SETTINGS) == f"{on_cassandra} BYPASS CACHE USING TIMEOUT 2500ms"


@pytest.mark.parametrize("statement", [documents.PUT, documents.READ, documents.SCAN, documents.SIZES])
def test_everything_else_is_the_same_on_both(statement: Statement) -> None:
    assert statement.on(SCYLLADB, SETTINGS) == statement.on(CASSANDRA, SETTINGS)
