"""The driver's errors in our own tree: every kind, and what it says of the write that failed."""

import cassandra
import pytest
from cassandra import ConsistencyLevel, WriteType, cluster, connection, pool, protocol

from syncline_contracts.errors import ConfigurationError, StorageUnavailable, SynclineError
from syncline_store.engines.cql.errors import brief, did_nothing, is_invalid, translated

NAME = "cql://db:9042/app"
QUORUM = ConsistencyLevel.LOCAL_QUORUM
UNAVAILABLE = cassandra.Unavailable("too few", QUORUM, required_replicas=2, alive_replicas=1)
TIMED_OUT = cassandra.OperationTimedOut(errors={"db": "slow"}, last_host="db")
RATE_LIMIT = cassandra.RateLimitReached(cassandra.OperationType.Write, rejected_by_coordinator=True)
WRONG_PASSWORD = cassandra.AuthenticationFailed("Bad credentials")

KINDS: list[tuple[Exception, type[SynclineError], str, bool]] = [
    (UNAVAILABLE, StorageUnavailable, "replicas are alive", True),
    (protocol.OverloadedErrorMessage(0x1001, "busy", None), StorageUnavailable, "overloaded", True),
    (protocol.IsBootstrappingErrorMessage(0x1002, "joining", None), StorageUnavailable, "joined", True),
    (RATE_LIMIT, StorageUnavailable, "rate", True),
    (pool.NoConnectionsAvailable("none"), StorageUnavailable, "max_in_flight", True),
    (connection.ConnectionBusy("busy"), StorageUnavailable, "max_in_flight", True),
    (cassandra.UnresolvableContactPoints({}), StorageUnavailable, "DNS", True),
    (cassandra.WriteTimeout("slow", write_type=WriteType.BATCH, consistency=QUORUM), StorageUnavailable, "too long to write", False),
    (cassandra.WriteTimeout("slow", write_type=WriteType.BATCH_LOG, consistency=QUORUM), StorageUnavailable, "too long to write", False),
    (cassandra.ReadTimeout("slow", consistency=QUORUM), StorageUnavailable, "too long to read", False),
    (cassandra.WriteFailure("failed", WriteType.SIMPLE, consistency=QUORUM), StorageUnavailable, "failed to write", False),
    (cassandra.ReadFailure("failed", consistency=QUORUM), StorageUnavailable, "failed to read", False),
    (TIMED_OUT, StorageUnavailable, "request_timeout", False),
    (connection.ConnectionShutdown("lost"), StorageUnavailable, "connection was lost", False),
    (protocol.ServerError(0x0000, "oops", None), StorageUnavailable, "server failed", False),
    (protocol.TruncateError(0x1003, "oops", None), StorageUnavailable, "could not be emptied", False),
    (OSError("network is down"), StorageUnavailable, "network is down", False),
    (WRONG_PASSWORD, ConfigurationError, "user and password", True),
    (protocol.BadCredentials(0x0100, "no", None), ConfigurationError, "user and password", True),
    (cassandra.Unauthorized("no permission"), ConfigurationError, "GRANT", True),
    (OSError(1, "Last error: [SSL: CERTIFICATE_VERIFY_FAILED] self-signed"), ConfigurationError, "TLS", True),
    (OSError(1, "Last error: [SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred"), StorageUnavailable, "logs", False),
    (cassandra.UnsupportedOperation("old"), ConfigurationError, "too old", True),
    (connection.ProtocolVersionUnsupported("db", 3), ConfigurationError, "too old", True),
    (cassandra.InvalidRequest("unconfigured table documents"), ConfigurationError, "syncline migrate", True),
    (cassandra.InvalidRequest("Keyspace 'app' does not exist"), ConfigurationError, "syncline migrate", True),
    (cassandra.InvalidRequest("Undefined column name x"), ConfigurationError, "syncline migrate", True),
    (cassandra.InvalidRequest("Key may not be empty"), ConfigurationError, "of this version", True),
    (protocol.SyntaxException(0x2000, "line 1", None), ConfigurationError, "of this version", True),
]


@pytest.mark.parametrize(
    ("error", "kind", "says", "nothing"), KINDS, ids=lambda value: type(value).__name__ if isinstance(value, Exception) else ""
)
def test_each_kind_is_told_as_what_it_is(error: Exception, kind: type[SynclineError], says: str, *, nothing: bool) -> None:
    found = translated(error, NAME)
    assert type(found) is kind
    assert str(found).startswith(NAME)
    assert says in str(found)
    assert did_nothing(error) is nothing, "whether the write may have landed"


def test_other_errors_are_not_ours_to_explain() -> None:
    assert translated(ValueError("a bug"), NAME) is None
    assert not did_nothing(ValueError("a bug"))


def test_no_host_says_why_each_did_not_answer() -> None:
    nobody = cluster.NoHostAvailable(
        "none", {"a": ConnectionRefusedError("refused"), "b": pool.NoConnectionsAvailable("pool is shut down")}
    )
    found = translated(nobody, NAME)
    assert isinstance(found, StorageUnavailable)
    assert "refused" in str(found)
    assert "hosts and port" in str(found)
    assert did_nothing(nobody)


def test_no_host_because_of_the_password_is_no_outage() -> None:
    found = translated(cluster.NoHostAvailable("none", {"a": WRONG_PASSWORD}), NAME)
    assert isinstance(found, ConfigurationError)
    assert isinstance(translated(cluster.NoHostAvailable("none", {"a": WRONG_PASSWORD, "b": OSError("down")}), NAME), StorageUnavailable)


def test_no_host_after_something_was_sent_leaves_the_write_in_doubt() -> None:
    assert not did_nothing(cluster.NoHostAvailable("none", {"a": connection.ConnectionShutdown("lost"), "b": UNAVAILABLE}))
    assert not did_nothing(cluster.NoHostAvailable("none", {"a": TIMED_OUT}))
    assert did_nothing(cluster.NoHostAvailable("none", {}))


def test_a_rate_limit_is_no_mistake_of_the_statement() -> None:
    assert not is_invalid(RATE_LIMIT)
    assert is_invalid(cassandra.InvalidRequest("Batch too large"))


def test_messages_stay_short() -> None:
    assert len(brief(ValueError("line\n" * 1_000))) < 400
