"""Settings of the CQL engine: plain frozen models, which read neither the environment nor files."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator

from syncline_contracts.errors import ConfigurationError
from syncline_store.settings.base import Count, Seconds, Settings, explain

KEYSPACE = r"^[a-z][a-z0-9_]{0,47}$"
CQL = "cql://"
_ADDRESS = re.compile(r"^cql://([^/]+)/([^/?#]+)$")
_PORT = 9042

Port = Annotated[int, Field(ge=1, le=65_535)]
Level = Literal["ONE", "TWO", "THREE", "QUORUM", "ALL", "LOCAL_QUORUM", "LOCAL_ONE"]


class ReplicationSettings(Settings):
    """How a new keyspace is replicated. An existing keyspace is left as it is."""

    strategy: Literal["NetworkTopologyStrategy", "SimpleStrategy"] = "NetworkTopologyStrategy"
    factors: dict[str, Count] = Field(default_factory=dict)
    """Copies by datacentre, for example ``{"dc1": 3}``. Empty: `factor` copies in the local datacentre."""
    factor: Count = 3

    def in_cql(self, local_dc: str) -> str:
        """The map for CREATE KEYSPACE; datacentres' names are quoted."""
        if self.strategy == "SimpleStrategy":
            return f"{{'class': 'SimpleStrategy', 'replication_factor': {self.factor}}}"
        factors = self.factors or {local_dc: self.factor}
        copies = ", ".join(f"'{name.replace(chr(39), chr(39) * 2)}': {factor}" for name, factor in factors.items())
        return f"{{'class': 'NetworkTopologyStrategy', {copies}}}"


class TlsSettings(Settings):
    """Encrypted connections. Without `ca` the system's authorities are trusted."""

    ca: Path | None = None
    certificate: Path | None = None
    """This client's own, where the servers ask for one."""
    key: Path | None = None
    key_password: SecretStr | None = None
    check_hostname: bool = True

    @model_validator(mode="after")
    def _a_pair(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together: give both, or neither")
        return self


class CqlOptions(Settings):
    """How the servers are talked to. Durations are seconds."""

    replication: ReplicationSettings = ReplicationSettings()
    local_dc: str | None = None
    """The datacentre to talk to. None: that of the contact point which answers first."""
    consistency: Level = "LOCAL_QUORUM"
    """Of reads and writes. Below a quorum a put that returned may not be read for a while, and events may be lost with a node."""
    serial_consistency: Literal["SERIAL", "LOCAL_SERIAL"] = "LOCAL_SERIAL"
    """Of leases, namespaces and dead letters; SERIAL where several datacentres write."""
    user: str | None = None
    password: SecretStr | None = None
    tls: TlsSettings | None = None
    compression: bool = False
    """Of requests and answers: worth its time where the network is narrow."""
    connect_timeout: Seconds = 10.0
    request_timeout: Seconds = 10.0
    max_in_flight: Annotated[int, Field(ge=1, le=10_000)] = 256
    """Requests under way at once; further ones wait in this process."""
    shards: Annotated[int, Field(ge=1, le=1_024)] = 4
    """Of the outbox. Counts when the keyspace is migrated first; later it is what the keyspace says."""
    outbox_life: Annotated[int, Field(ge=3_600, le=30 * 86_400)] = 3 * 86_400
    """Seconds that an outbox row is kept: relays that were away for longer miss events."""
    audit_life: Annotated[int, Field(ge=86_400, le=10 * 365 * 86_400)] = 90 * 86_400
    """Seconds that audit records, and the reasons of dead letters, are kept."""
    outbox_lateness: Seconds = 300.0
    """How late a row may become readable: so far relays look back, and differences younger than that are not drift yet. Servers that
    fail replay a logged batch after a minute or two: less than the default is for a single server that does not."""
    batch_documents: Count = 16
    """Documents that share a logged batch; more were not faster in measurements."""
    batch_bytes: Annotated[int, Field(ge=4_096)] = 40_000
    """Bytes that do; Cassandra refuses batches of more than 50 KiB unless told otherwise, ScyllaDB of more than 1 MiB."""
    scan_ranges: Count = 4
    """Token ranges that one walk reads at once."""

    @model_validator(mode="after")
    def _login_is_whole(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together: give both, or neither")
        return self


class CqlSettings(CqlOptions):
    """Where the servers are, and how they are talked to."""

    hosts: Annotated[tuple[str, ...], Field(min_length=1)] = ("127.0.0.1",)
    """Contact points; the other nodes are found by them."""
    port: Port = _PORT
    keyspace: Annotated[str, Field(pattern=KEYSPACE)] = "syncline"

    @property
    def name(self) -> str:
        """How messages call the keyspace."""
        return f"cql://{','.join(self.hosts)}:{self.port}/{self.keyspace}"


def cql_settings(url: str, **given: object) -> CqlSettings:
    """Settings from ``cql://host[:port][,host...]/keyspace`` and keywords. Raises ConfigurationError that names what is wrong."""
    try:
        return CqlSettings.model_validate({**address(url), **given})
    except ValidationError as error:
        raise explain(error) from None
    except ValueError as error:
        raise ConfigurationError(f"url: {error}") from None


def address(url: str) -> dict[str, object]:
    """Hosts, port and keyspace of a ``cql://`` address, whose form alone is checked. Raises ValueError."""
    found = _ADDRESS.match(url)
    if found is None or "@" in url:
        raise ValueError("must be cql://host[:port][,host...]/keyspace; user and password are settings of their own")
    places = [_place(place) for place in found[1].split(",")]
    ports = {port for _, port in places if port}
    if len(ports) > 1:
        raise ValueError("must name one port: it is the same on all hosts")
    return {"hosts": [host for host, _ in places], "keyspace": found[2], **({"port": ports.pop()} if ports else {})}


def _place(place: str) -> tuple[str, str]:
    host, colon, port = ("", "", place) if place.endswith("]") else place.rpartition(":")
    return (host if colon else port).strip("[]"), port if colon else ""
