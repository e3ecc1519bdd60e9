"""The configuration itself: where what is set comes from."""

from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping

from syncline_sync_worker.config import Configuration
from syncline_sync_worker.doctor.finding import Finding, ok, warn

_LISTED = 6
"""Settings of one source that are named."""


async def look(configuration: Configuration, origins: Mapping[str, str]) -> AsyncGenerator[Finding, None]:
    """That it was read says that it is right; no value is shown."""
    yield ok("mode", mode(configuration))
    for finding in by_source(origins):
        yield finding
    if configuration.kafka is not None and configuration.local_index:
        remedy = "name a Qdrant server in `index`: only one worker can hold a local index, and no command can search meanwhile"
        yield warn("index", "Kafka is configured, but the index is local", remedy)


def mode(configuration: Configuration) -> str:
    """Which of the three modes it is (docs/architecture.md)."""
    if configuration.kafka is not None:
        return f"distributed: {configuration.store}, Kafka at {configuration.kafka.bootstrap_servers}, {configuration.index}"
    return f"{'embedded' if configuration.local_index and configuration.database else 'direct'}: {configuration.where}"


def by_source(origins: Mapping[str, str]) -> list[Finding]:
    """One for each source that set anything."""
    sources: defaultdict[str, list[str]] = defaultdict(list)
    for name, source in origins.items():
        sources[source].append(name)
    return [ok(source, _named(names)) for source, names in sources.items()] or [ok("settings", "all as they are by default")]


def _named(names: list[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
