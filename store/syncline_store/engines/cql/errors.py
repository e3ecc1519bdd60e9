"""What goes wrong in the driver, said once in our own tree: the keyspace, and what to do about it.

A request that failed either certainly did nothing (`did_nothing`), or may have done all that it was to do.
"""

import cassandra
from cassandra import cluster, connection, pool, protocol

from syncline_contracts.errors import ConfigurationError, InvalidDocument, StorageUnavailable, SynclineError

NOT_MIGRATED = "the keyspace or a table is missing: run `syncline migrate`"

# The request reached no replica, or was turned away before anything was written.
_TURNED_AWAY: dict[type[Exception], str] = {
    cassandra.Unavailable: "too few replicas are alive for this consistency: bring the nodes back, or look at the replication",
    protocol.OverloadedErrorMessage: "the server is overloaded: add nodes, or write less at once",
    protocol.IsBootstrappingErrorMessage: "the node is still joining: wait until it has joined",
    cassandra.RateLimitReached: "the server limits the rate of this partition: write less at once",
    pool.NoConnectionsAvailable: "all connections are busy: lower max_in_flight, or add nodes",
    connection.ConnectionBusy: "all connections are busy: lower max_in_flight, or add nodes",
    cassandra.UnresolvableContactPoints: "none of the hosts has an address: look at the spelling and at DNS",
}
_IN_DOUBT: dict[type[Exception], str] = {
    cassandra.WriteTimeout: "replicas took too long to write: look at their load",
    cassandra.ReadTimeout: "replicas took too long to read: look at their load",
    cassandra.WriteFailure: "replicas failed to write: look into their logs",
    cassandra.ReadFailure: "replicas failed to read: look into their logs",
    cassandra.OperationTimedOut: "no answer within request_timeout: look at the servers' load and the network",
    connection.ConnectionException: "the connection was lost: look at the servers and the network",
    protocol.TruncateError: "a table could not be emptied: look into the servers' logs",
    protocol.ServerError: "the server failed: look into its log",
}
_NOT_ALLOWED: dict[type[Exception], str] = {
    cassandra.AuthenticationFailed: "wrong user or password, or none: set user and password",
    protocol.BadCredentials: "wrong user or password: set user and password",
    cassandra.Unauthorized: "this user may not do that: GRANT it CREATE, SELECT and MODIFY on the keyspace",
    connection.ProtocolVersionUnsupported: "the server is too old: Syncline needs ScyllaDB 2025.4 or Cassandra 4.1",
    cassandra.UnsupportedOperation: "the server is too old: Syncline needs ScyllaDB 2025.4 or Cassandra 4.1",
}
_HANDSHAKE = "the TLS handshake failed: look at tls.ca, tls.certificate and the servers' certificates"
_INVALID = (cassandra.InvalidRequest, protocol.SyntaxException, cassandra.ConfigurationException, protocol.InvalidRequestException)


def translated(error: BaseException, name: str) -> SynclineError | None:
    """An error of the driver in our own tree; None for any other, which is not ours to explain."""
    if isinstance(error, cluster.NoHostAvailable):
        return _no_host(error, name)
    if remedy := _not_allowed(error):
        return ConfigurationError(f"{name}: {brief(error)}; {remedy}")
    if remedy := _remedy(_TURNED_AWAY, error) or _remedy(_IN_DOUBT, error):
        return StorageUnavailable(f"{name}: {brief(error)}; {remedy}")
    if is_invalid(error):
        return _invalid(error, name)
    if isinstance(error, cassandra.DriverException | protocol.ErrorMessage | OSError):
        return StorageUnavailable(f"{name}: {brief(error)}; look at the servers' logs")
    return None


def did_nothing(error: BaseException) -> bool:
    """The driver's error says that whatever the request was to write is certainly not there."""
    if isinstance(error, cluster.NoHostAvailable):
        return not any(_remedy(_IN_DOUBT, cause) for cause in _causes(error))
    return _remedy(_TURNED_AWAY, error) is not None or _not_allowed(error) is not None or is_invalid(error)


def is_invalid(error: BaseException) -> bool:
    """The server refuses the statement as such; sent again it would refuse it again."""
    return isinstance(error, _INVALID) and not isinstance(error, cassandra.RateLimitReached)  # one inherits from the other


def unfit(key: str, error: BaseException) -> InvalidDocument:
    """A document whose columns the driver cannot encode or the server does not take."""
    return InvalidDocument("document", f"{key[:80]!r} cannot be stored: {brief(error)}")


def brief(error: BaseException) -> str:
    """An error's kind and message in one line of bounded length."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _remedy(remedies: dict[type[Exception], str], error: BaseException) -> str | None:
    return next((remedy for kind, remedy in remedies.items() if isinstance(error, kind)), None)


def _not_allowed(error: BaseException) -> str | None:
    """The driver tells a failed handshake in the words of an OSError; a server that hangs up in the middle of one may be starting."""
    if isinstance(error, OSError) and "[SSL: " in str(error) and "EOF" not in str(error):
        return _HANDSHAKE
    return _remedy(_NOT_ALLOWED, error)


def _causes(error: cluster.NoHostAvailable) -> list[Exception]:
    """Each host's own error; the driver also puts plain text there."""
    causes = list(error.errors.values()) if isinstance(error.errors, dict) else list(error.errors or ())
    return [cause if isinstance(cause, Exception) else pool.NoConnectionsAvailable(str(cause)) for cause in causes]


def _no_host(error: cluster.NoHostAvailable, name: str) -> SynclineError:
    """The hosts' own errors tell why: a wrong password is no outage, and is told as what it is."""
    causes = _causes(error)
    known = [found for found in (translated(cause, name) for cause in causes) if found is not None]
    if known and all(isinstance(found, ConfigurationError) for found in known):
        return known[0]
    told = "; ".join(sorted({brief(cause) for cause in causes})) or brief(error)
    message = f"{name}: no server answers ({told[:600]}): look at hosts and port, at the network, and whether the servers are up"
    return StorageUnavailable(message)


def _invalid(error: BaseException, name: str) -> SynclineError:
    text = str(error).lower()
    if "unconfigured table" in text or ("keyspace" in text and "does not exist" in text) or "undefined column" in text:
        return ConfigurationError(f"{name}: {brief(error)}; {NOT_MIGRATED}")
    return ConfigurationError(f"{name}: {brief(error)}; is this a keyspace that Syncline made, and of this version?")
