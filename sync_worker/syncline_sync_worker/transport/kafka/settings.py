"""Settings of the Kafka transport. Durations are seconds, sizes bytes; nothing here reads the environment."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from syncline_store.settings import Count, Seconds, Settings

DAY = 24 * 3600.0
LETTER_OVERHEAD = 65_536
"""Bytes by which a dead letter may be larger than the event: what its headers say of the failure."""
TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]


class KafkaSecurity(Settings):
    """How the brokers are spoken to, and as whom."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    username: str | None = None
    password: SecretStr | None = None
    ca_file: Path | None = None
    """Who signed the brokers' certificates; None: the system's authorities."""
    certificate_file: Path | None = None
    """This client's own certificate, where the brokers ask for one."""
    key_file: Path | None = None
    key_password: SecretStr | None = None

    @property
    def sasl(self) -> bool:
        """The brokers want a user and a password."""
        return self.protocol.startswith("SASL")

    @property
    def tls(self) -> bool:
        """The connections are encrypted."""
        return self.protocol.endswith("SSL")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.sasl and (not self.username or self.password is None):
            raise ValueError(f"protocol {self.protocol} needs username and password")
        if not self.sasl and (self.username or self.password is not None):
            raise ValueError(f"protocol {self.protocol} sends no username or password: did you mean SASL_SSL?")
        if not self.tls and (self.ca_file or self.certificate_file or self.key_file):
            raise ValueError(f"protocol {self.protocol} uses no certificates: did you mean SSL or SASL_SSL?")
        if self.key_file and not self.certificate_file:
            raise ValueError("key_file needs certificate_file")
        return self


class TopicSettings(Settings):
    """A topic as `ensure_topics` makes it. An existing one is left as it is; fewer partitions than these are refused."""

    name: TopicName
    partitions: Count = 12
    """How many workers can share the topic at most. Fixed from the first event on: the key's partition depends on it."""
    replication: Annotated[int, Field(ge=1, le=32767)] = 3
    """1 on a single broker: an event is then lost with its disk."""
    retention: Seconds = 7 * DAY
    largest_record: Count = 1_048_576
    """Kafka's `max.message.bytes`."""

    @property
    def min_insync(self) -> int:
        """Replicas that must have a record before it counts as written: all but one."""
        return max(1, self.replication - 1)


class EventTopicSettings(TopicSettings):
    """The topic between relay and worker."""

    name: TopicName = "syncline.events"


class DeadLetterTopicSettings(TopicSettings):
    """The topic that gets a copy of each dead letter."""

    name: TopicName = "syncline.dead-letters"
    partitions: Count = 3
    retention: Seconds = 30 * DAY
    largest_record: Count = 2_097_152


class ProducerSettings(Settings):
    """How events are sent. Always idempotent, acknowledged by all replicas in sync."""

    max_batch_bytes: Count = 131_072
    """Of one partition's batch."""
    patience: Seconds = 30.0
    """How long a call waits for its acknowledgements; the records stay under way, and calls that bring them again wait for those."""
    stop_within: Seconds = 10.0
    """How long closing waits for what is under way."""


class ConsumerSettings(Settings):
    """How events are taken."""

    group: Annotated[str, Field(min_length=1, max_length=249)] = "syncline-worker"
    instance: str | None = None
    """This worker's fixed name in the group (static membership): a restart within session_timeout then causes no rebalance."""
    max_batch: Count = 1_024
    """Records that are handled, and acknowledged, together: a few of the indexer's batches, so that it can work on two at a time."""
    poll: Annotated[float, Field(ge=0.001, le=5)] = 0.02
    """How long a poll waits when there is nothing; an idle worker waits twice that between two polls."""
    session_timeout: Seconds = 30.0
    """A worker that is not heard of for so long is dead to the group."""
    heartbeat: Seconds = 3.0
    max_poll_interval: Seconds = 900.0
    """A worker that handles one batch for longer leaves the group. Longer than the handler's deadline."""
    revoke_within: Seconds = 20.0
    """How long a rebalance waits for the batch under way, so that it is acknowledged and not done again."""
    first_probe: Seconds = 1.0
    longest_probe: Seconds = 30.0
    """While a part is out, consumption pauses; how long until it is tried again."""
    stop_within: Seconds = 30.0
    """How long a stop waits for the batch under way; one that is not done by then comes again elsewhere."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.heartbeat * 3 > self.session_timeout:
            raise ValueError("heartbeat must be a third of session_timeout at most")
        if self.session_timeout > self.max_poll_interval:
            raise ValueError("session_timeout must not exceed max_poll_interval")
        return self


class KafkaSettings(Settings):
    """Everything that the Kafka transport needs to know."""

    bootstrap_servers: str = "localhost:9092"
    """``host:port``, several separated by commas."""
    security: KafkaSecurity = KafkaSecurity()
    events: EventTopicSettings = EventTopicSettings()
    dead_letters: DeadLetterTopicSettings = DeadLetterTopicSettings()
    producer: ProducerSettings = ProducerSettings()
    consumer: ConsumerSettings = ConsumerSettings()
    client: str = "syncline"
    """How this process calls itself in the brokers' logs and quotas."""
    request_timeout: Seconds = 20.0
    """How long one request to a broker may take."""

    @field_validator("bootstrap_servers")
    @classmethod
    def _servers_have_ports(cls, servers: str) -> str:
        for server in servers.split(","):
            host, _, port = server.strip().rpartition(":")
            if not host or not port.isdecimal() or "/" in host:
                raise ValueError("must be host:port, several separated by commas, such as kafka-1:9092,kafka-2:9092")
        return servers

    @model_validator(mode="after")
    def _topics_differ(self) -> Self:
        if self.events.name == self.dead_letters.name:
            raise ValueError("events and dead_letters must be different topics")
        return self

    @model_validator(mode="after")
    def _batches_fit(self) -> Self:
        if self.producer.max_batch_bytes > self.events.largest_record:
            raise ValueError("producer.max_batch_bytes must not exceed events.largest_record: Kafka's limit is for whole batches")
        return self

    @model_validator(mode="after")
    def _letters_fit(self) -> Self:
        if self.dead_letters.largest_record < self.events.largest_record + LETTER_OVERHEAD:
            raise ValueError(f"dead_letters.largest_record must be events.largest_record and {LETTER_OVERHEAD:,} more at least")
        return self

    @property
    def servers(self) -> list[str]:
        """The servers one by one."""
        return [server.strip() for server in self.bootstrap_servers.split(",")]
