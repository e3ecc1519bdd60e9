"""A topic as it is, held against what the settings ask for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from syncline_sync_worker.doctor.finding import Finding, fail, ok, warn
from syncline_sync_worker.transport.kafka.settings import TopicSettings

LATE = 300.0
"""Seconds from where on an event that nobody handled is worth looking at."""


@dataclass(frozen=True, slots=True)
class Topic:
    """`replicas` and `in_sync` are those of the partition that has fewest. `configs` are empty where they cannot be read."""

    partitions: int
    replicas: int
    in_sync: int
    configs: Mapping[str, str | None] = field(default_factory=dict)

    def number(self, name: str) -> int | None:
        """A config's value."""
        value = self.configs.get(name)
        return None if value is None else int(value)


def topic_verdicts(wanted: TopicSettings, topic: Topic | None) -> Iterator[Finding]:
    """Whether it is there, how safe what stands in it is, and for how long."""
    check = f"topic {wanted.name}"
    if topic is None:
        yield fail(check, "is not there", "run `syncline migrate`")
    elif topic.partitions < wanted.partitions:
        remedy = "say so in the settings, or use a new topic (adding partitions sends a document's later events elsewhere)"
        yield fail(check, f"has {topic.partitions} partitions, the settings ask for {wanted.partitions}", remedy)
    else:
        worries = [*_safety(check, wanted, topic), *_size(check, wanted, topic)]
        yield from worries or [ok(check, f"{topic.partitions} partitions, {topic.in_sync} of {topic.replicas} replicas in sync")]


def _safety(check: str, wanted: TopicSettings, topic: Topic) -> Iterator[Finding]:
    least = topic.number("min.insync.replicas")
    said = f"{topic.in_sync} of {topic.replicas} replicas in sync" + ("" if least is None else f", min.insync.replicas {least}")
    if least is not None and least > topic.in_sync:
        yield fail(check, f"{said}: nothing can be written", "bring the brokers back, or lower min.insync.replicas")
    elif topic.in_sync < topic.replicas:
        yield warn(check, said, "a broker is away or behind: look at it")
    if topic.replicas < wanted.replication:
        yield warn(
            check, f"has {topic.replicas} replicas, the settings ask for {wanted.replication}", "add replicas (kafka-reassign-partitions)"
        )
    elif least is not None and least < wanted.min_insync:
        yield warn(check, f"{said}: an event may be lost with one broker", f"set min.insync.replicas to {wanted.min_insync}")


def _size(check: str, wanted: TopicSettings, topic: Topic) -> Iterator[Finding]:
    kept, largest, policy = topic.number("retention.ms"), topic.number("max.message.bytes"), topic.configs.get("cleanup.policy")
    if policy is not None and policy != "delete":
        yield warn(check, f"cleanup.policy is {policy}", "set it to delete: workers that were away find events by their retention")
    if kept is not None and 0 <= kept < wanted.retention * 1000:
        yield warn(
            check, f"keeps records for {kept / 3.6e6:,.1f} hours, the settings ask for {wanted.retention / 3600:,.1f}", "raise retention.ms"
        )
    if largest is not None and largest < wanted.largest_record:
        yield warn(check, f"takes {largest:,} bytes, the settings ask for {wanted.largest_record:,}", "raise max.message.bytes")


def lag_verdict(group: str, records: int, oldest: float | None, retention: float) -> Finding:
    """`oldest`: seconds since the oldest change that nobody handled yet was made."""
    said = f"{group} is {records:,} event{'' if records == 1 else 's'} behind" + (
        "" if oldest is None else f", the oldest for {oldest:,.0f} s"
    )
    if oldest is not None and oldest > retention / 2:
        return fail(
            "lag", f"{said}; they are kept for {retention:,.0f} s", "start more workers now, and run `syncline reconcile repair` afterwards"
        )
    if oldest is not None and oldest > LATE:
        return warn("lag", said, "is a worker running? (`syncline worker`) Is one of its parts out? Start more of them")
    return ok("lag", said)
