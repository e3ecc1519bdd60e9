"""How the driver is set up: one cluster and session a store, encrypted and logged in as the settings say."""

import asyncio
import socket
import ssl
from typing import Any

from cassandra import ConsistencyLevel
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, DefaultConnection, ExecutionProfile, Session
from cassandra.policies import DCAwareRoundRobinPolicy, ExponentialReconnectionPolicy, FallthroughRetryPolicy, TokenAwarePolicy
from cassandra.query import tuple_factory

from syncline_contracts.errors import ConfigurationError
from syncline_store.engines.cql.on_loop import connection_on
from syncline_store.settings.cql import CqlSettings, TlsSettings

_BUFFER = 65_536


class _Connection(DefaultConnection):  # type: ignore[misc]  # the driver has no types
    """A batch goes out by one system call, a page of rows comes in by few.

    The driver's own 4 KB make it one for every 4 KB, and behind each its thread waits for Python's lock again.
    """

    in_buffer_size = _BUFFER
    out_buffer_size = _BUFFER


def connect(settings: CqlSettings, loop: asyncio.AbstractEventLoop | None = None) -> Session:
    """A session without a keyspace, for requests from `loop` alone; without one, from any thread, over a thread of the driver's own.

    Blocks; raises the driver's errors, and ConfigurationError for files that cannot be read.
    """
    cluster = Cluster(
        settings.hosts,
        port=settings.port,
        auth_provider=_login(settings),
        ssl_context=None if settings.tls is None else tls_context(settings.tls),
        execution_profiles={EXEC_PROFILE_DEFAULT: _profile(settings)},
        compression=settings.compression,
        connection_class=_Connection if loop is None else connection_on(loop),
        sockopts=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],  # or a batch's second 4 KB wait for an answer to the first: 40 ms
        connect_timeout=settings.connect_timeout,
        control_connection_timeout=settings.connect_timeout,
        reconnection_policy=ExponentialReconnectionPolicy(0.5, 30),
    )
    try:
        session = cluster.connect()
    except BaseException:
        cluster.shutdown()
        raise
    session._default_timeout = settings.request_timeout  # noqa: SLF001 - statements are prepared by it; its setter is for no profiles
    return session


def _profile(settings: CqlSettings) -> ExecutionProfile:
    """Retries are ours alone: the driver's default would send even a conditional write again to another host."""
    return ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy(settings.local_dc or "")),
        retry_policy=FallthroughRetryPolicy(),
        consistency_level=level(settings.consistency),
        serial_consistency_level=level(settings.serial_consistency),
        request_timeout=settings.request_timeout,
        row_factory=tuple_factory,
    )


def level(name: str) -> int:
    """A consistency level's number in the protocol."""
    found: int = ConsistencyLevel.name_to_value[name]
    return found


def _login(settings: CqlSettings) -> Any:
    if settings.user is None or settings.password is None:
        return None
    return PlainTextAuthProvider(settings.user, settings.password.get_secret_value())


def tls_context(tls: TlsSettings) -> ssl.SSLContext:
    """Certificates are always verified. Raises ConfigurationError for a file that is missing or is no certificate."""
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=tls.ca)
        context.check_hostname = tls.check_hostname
        if tls.certificate is not None and tls.key is not None:
            context.load_cert_chain(tls.certificate, tls.key, None if tls.key_password is None else tls.key_password.get_secret_value())
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"tls: {error}; look at tls.ca, tls.certificate and tls.key: PEM files that this user may read") from error
    return context
