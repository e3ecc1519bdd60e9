"""``syncline relay`` and ``syncline worker``: the two processes of the distributed mode."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import typer

from syncline_contracts.errors import ConfigurationError
from syncline_sync_worker.cli.command import command
from syncline_sync_worker.cli.running import FINE, Session, first_of

if TYPE_CHECKING:
    import asyncio

    from syncline_sync_worker.config import Configuration

    Process = Callable[[Configuration, asyncio.Event], Awaitable[None]]

_BOTH = ["--store cql://scylla/syncline --set kafka.bootstrap_servers=kafka:9092", "--config syncline.yaml --set http.port=0"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "relay", examples=[f"syncline relay {options}" for options in _BOTH], drains=True)(relay)
    command(app, "worker", examples=[f"syncline worker --index http://qdrant:6333 {options}" for options in _BOTH], drains=True)(worker)


async def relay(session: Session) -> int:
    """Publish what was written to Kafka, until SIGTERM or Ctrl-C, which drains.

    Start as many as you like: they share the outbox's shards, and take over from one that died. Waits for a storage and a Kafka that
    are away. Answers /health/live, /health/ready and /metrics at http.host and http.port.
    """
    try:
        from syncline_sync_worker.processes.relay import run_relay  # noqa: PLC0415 - the broker's client is an extra
    except ModuleNotFoundError as error:
        raise _lacks(error) from error
    return await run_process(session, run_relay)


async def worker(session: Session) -> int:
    """Bring the index in step with what Kafka says has changed, until SIGTERM or Ctrl-C, which drains.

    Start as many as the events' topic has partitions: the group shares them. Waits for parts that are away, and pauses while one is
    out. Answers /health/live, /health/ready and /metrics at http.host and http.port.
    """
    try:
        from syncline_sync_worker.processes.worker import run_worker  # noqa: PLC0415 - the broker's client is an extra
    except ModuleNotFoundError as error:
        raise _lacks(error) from error
    return await run_process(session, run_worker)


async def run_process(session: Session, process: "Process") -> int:
    """Run a process until its stop; what ends it is a log line too where those are JSON."""
    from syncline_sync_worker.processes.serving import set_up_logs  # noqa: PLC0415 - takes longer than --help may

    configuration = session.place.configuration({})
    set_up_logs(configuration)
    lines_only = configuration.log.form == "json"
    session.output.err.quiet = lines_only  # what reads stderr then finds JSON and nothing else
    try:
        await process(configuration, session.stop)
    except Exception as error:
        if lines_only:
            import structlog  # noqa: PLC0415 - loaded by now; --help does without

            first = first_of(error)
            structlog.get_logger(__name__).error("cannot go on", kind=type(first).__name__, error=str(first))
        raise
    return FINE


def _lacks(error: ModuleNotFoundError) -> ConfigurationError:
    return ConfigurationError(f"relay and worker need Kafka's client ({error.name} is not installed): pip install 'syncline-worker[kafka]'")
