"""Looks at every part, side by side and each within its time; what fails stops nothing else."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from syncline_contracts.errors import SynclineError
from syncline_sync_worker.config import Configuration
from syncline_sync_worker.doctor import settings, storage
from syncline_sync_worker.doctor.finding import Finding, fail

Looking = AsyncGenerator[Finding, None]


@dataclass(frozen=True, slots=True)
class Examined:
    """A part, and what was found in it."""

    part: str
    findings: Sequence[Finding]


async def examine(configuration: Configuration, origins: Mapping[str, str], *, within: float) -> list[Examined]:
    """Every part's findings; `origins` say where each setting comes from. Each part has `within` seconds."""
    looks: dict[str, Callable[[], Looking]] = {
        "configuration": lambda: settings.look(configuration, origins),
        "storage": lambda: storage.look(configuration),
        "kafka": lambda: _kafka(configuration),
        "index": lambda: _index(configuration),
        "embedder": lambda: _embedder(configuration),
    }
    if configuration.kafka is None:
        del looks["kafka"]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_look(part, look, within)) for part, look in looks.items()]
    return [task.result() for task in tasks]


async def _look(part: str, look: Callable[[], Looking], within: float) -> Examined:
    """All that was found before something failed, and the failure."""
    findings: list[Finding] = []
    try:
        async with asyncio.timeout(within), aclosing(look()) as found:
            async for finding in found:
                findings.append(finding)  # noqa: PERF401 - what was found before a failure counts
    except TimeoutError:
        findings.append(fail("answer", f"none within {within:g} s", "look at its load and at the network, or give it longer: --within"))
    except ModuleNotFoundError as error:
        findings.append(fail("package", f"{error.name} is not installed", f"pip install 'syncline-worker[{part}]'"))
    except SynclineError as error:
        findings.append(fail("connection", str(error)))
    except Exception as error:  # noqa: BLE001 - a fault in one check must not hide what the others find
        findings.append(fail("check", f"{type(error).__name__}: {error}", "a fault of Syncline's own, please report it"))
    return Examined(part, findings)


async def _kafka(configuration: Configuration) -> Looking:
    from syncline_sync_worker.doctor import kafka  # noqa: PLC0415 - its client is an extra

    if configuration.kafka is not None:
        async for finding in kafka.look(configuration.kafka):
            yield finding


async def _index(configuration: Configuration) -> Looking:
    from syncline_sync_worker.doctor import index  # noqa: PLC0415 - a fault there is one part's

    async for finding in index.look(configuration):
        yield finding


async def _embedder(configuration: Configuration) -> Looking:
    from syncline_sync_worker.doctor import embedder  # noqa: PLC0415 - as above

    async for finding in embedder.look(configuration):
        yield finding
