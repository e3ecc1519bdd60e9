"""The documents' storage: servers or file, schema, clocks, and what lies in its outbox and among its dead letters."""

from collections.abc import AsyncGenerator

from syncline_contracts.revision import Clock
from syncline_store.engines.protocol import Engine
from syncline_store.parts import open_engine
from syncline_store.settings import CqlSettings
from syncline_sync_worker.config import Configuration
from syncline_sync_worker.doctor import clocks, outbox
from syncline_sync_worker.doctor.finding import Finding, fail, ok, warn
from syncline_sync_worker.status import count_letters


async def look(configuration: Configuration) -> AsyncGenerator[Finding, None]:
    """Raises ConfigurationError, StorageUnavailable: nothing else can be looked at then."""
    file, settings = configuration.database, configuration.cql_settings
    if file is not None and not file.is_file():
        yield warn("file", f"{file} is not there yet", "write or import something, or run `syncline migrate`")
    elif settings is not None:
        async for finding in _look_at_servers(configuration, settings):
            yield finding
    else:
        engine = await open_engine(configuration, Clock())
        try:
            yield ok("file", configuration.sqlite_path)
            async for finding in _look_inside(configuration, engine):
                yield finding
        finally:
            await engine.aclose()


async def _look_at_servers(configuration: Configuration, settings: CqlSettings) -> AsyncGenerator[Finding, None]:
    from syncline_store.engines.cql import CqlEngine  # noqa: PLC0415 - as above
    from syncline_store.engines.cql.session import CqlSession  # noqa: PLC0415 - as above
    from syncline_sync_worker.doctor import servers  # noqa: PLC0415 - the driver is an extra

    session = await CqlSession.open(settings)
    engine = CqlEngine(session, clock=Clock())
    try:
        async for finding in servers.look(session):
            yield finding
        yield await clocks.look(engine)
        missing = await engine.missing()
        if missing:
            yield fail("schema", f"{settings.name} lacks {', '.join(missing)}", "run `syncline migrate`")
            return
        await engine.look()
        yield ok("schema", "up to date")
        yield shards_verdict(engine.outbox.shards, settings.shards if "shards" in settings.model_fields_set else None)
        async for finding in _look_inside(configuration, engine):
            yield finding
    finally:
        await engine.aclose()


async def _look_inside(configuration: Configuration, engine: Engine) -> AsyncGenerator[Finding, None]:
    yield await outbox.look(configuration, engine)
    letters = await count_letters(engine)
    if letters:
        yield warn("dead letters", f"{letters:,} open", "look at them: `syncline dead-letters list`, then replay or discard them")
    else:
        yield ok("dead letters", "none")


def shards_verdict(shards: int, asked: int | None) -> Finding:
    """How many were fixed when the keyspace was made; who asks for another number learns that it counts no more."""
    if asked is not None and asked != shards:
        return warn(
            "shards",
            f"the outbox has {shards}, the settings ask for {asked}",
            "what the keyspace was made with stands: say so in cql.shards",
        )
    return ok("shards", f"the outbox has {shards}")
