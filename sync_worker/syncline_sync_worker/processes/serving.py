"""The frame of a process: its logs, the answers for its health and metrics, and an end that leaves nothing running."""

import asyncio
import gc
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from syncline_contracts.errors import ConfigurationError
from syncline_sync_worker.config import Configuration
from syncline_sync_worker.observability import logs
from syncline_sync_worker.observability.health import Health
from syncline_sync_worker.observability.http import answering, listen
from syncline_sync_worker.observability.metrics import Metrics
from syncline_sync_worker.transport.kafka import KafkaSettings

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Answers:
    """What the work of a process is given. What is pushed on `opened` is closed at its end, the last one first."""

    health: Health
    metrics: Metrics
    opened: AsyncExitStack

    def started(self, reasons: Callable[[], Sequence[str]]) -> None:
        """Every part is open, and the work begins; `reasons` tells what keeps the process from being ready.

        What was loaded until now lives as long as the process. Looking through it again and again took a quarter of the relay's
        time for an event, and a sixth of the handler's for a document.
        """
        gc.collect()
        gc.freeze()
        self.health.started(reasons)


@dataclass(frozen=True, slots=True)
class Frame(Answers):
    """Of a process that meets others in Kafka."""

    kafka: KafkaSettings


@asynccontextmanager
async def process(name: str, configuration: Configuration, stop: asyncio.Event) -> AsyncIterator[Frame]:
    """The same as `serving`, for a process that needs Kafka. Raises ConfigurationError without any."""
    kafka = kafka_of(configuration)
    async with serving(name, configuration, stop) as answers:
        yield Frame(answers.health, answers.metrics, answers.opened, kafka)


@asynccontextmanager
async def serving(name: str, configuration: Configuration, stop: asyncio.Event) -> AsyncIterator[Answers]:
    """Take the port, then answer on it while the block runs. Raises ConfigurationError before anything else is started."""
    listener = listen(configuration.http)
    metrics, health = Metrics(_registry()), Health(stop)
    async with answering(listener, lambda: health.report, metrics.registry), asyncio.TaskGroup() as group:
        log.info("started", process=name, http=_address(listener), store=configuration.store, index=configuration.index)
        beating = group.create_task(health.beat())
        try:
            async with AsyncExitStack() as opened:
                yield Answers(health, metrics, opened)
        except Exception as error:
            health.died(error)
            raise
        finally:
            beating.cancel()
        log.info("ended", process=name)


def set_up_logs(configuration: Configuration) -> None:
    """Every line on stderr is a log line from here on, Python's warnings among them."""
    logs.set_up(configuration.log.form, configuration.log.level, secrets=logs.secrets_of(configuration))
    logging.captureWarnings(capture=True)


def kafka_of(configuration: Configuration) -> KafkaSettings:
    """The settings of Kafka. Raises ConfigurationError without any."""
    if configuration.kafka is None:
        raise ConfigurationError(
            "kafka is not configured, and relay and worker meet there: give kafka.bootstrap_servers "
            "(SYNCLINE_KAFKA__BOOTSTRAP_SERVERS=host:9092), or use `syncline run`, which needs none"
        )
    return configuration.kafka


def _registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
