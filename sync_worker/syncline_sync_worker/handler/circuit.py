"""A circuit for each part that handling needs: a part that failed a few times in a row is left alone, then one batch probes it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import structlog

from syncline_contracts.errors import EmbedderUnavailable, IndexUnavailable, StorageUnavailable, TransportUnavailable, Unavailable
from syncline_sync_worker.handler.settings import HandlerSettings
from syncline_sync_worker.observability.metrics import Metrics

T = TypeVar("T")
Part = type[Unavailable]
"""A part is known by the error that says that it is out."""

PARTS: dict[Part, str] = {
    StorageUnavailable: "storage",
    IndexUnavailable: "index",
    EmbedderUnavailable: "embedder",
    TransportUnavailable: "transport",
}

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Circuit:
    part: Part
    name: str
    failures: int = 0
    """In a row."""
    until: float | None = None
    """Open; from this time of the event loop on, one batch may probe. None: closed."""
    probed: bool = False
    """A probe is under way."""
    why: str = ""
    """What its last failure said."""


class Circuits:
    """Closed: all pass. Open, after `open_after` failures in a row or a long Retry-After: none passes. Then one passes: the probe.

    Shared by all batches of a handler, so that many at once do not go on asking what one of them found out. Nothing is awaited
    between a look at a circuit and its change.
    """

    def __init__(self, settings: HandlerSettings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._circuits = {part: _Circuit(part, name) for part, name in PARTS.items()}
        metrics.circuits(PARTS.values())

    @property
    def open(self) -> bool:
        """Whether any part is left alone now: trying again at once is refused."""
        return any(circuit.until is not None for circuit in self._circuits.values())

    async def through(self, work: Callable[[], Awaitable[T]], answered: Callable[[T], Iterable[Part]]) -> T:
        """Await `work`, whose result says which parts `answered`. Raises what it raises, and the Unavailable of a part that is left alone.

        That one's `retry_after` says how long still; it is None while another batch probes.
        """
        with self._admitted() as probed:
            try:
                result = await work()
            except Unavailable as error:
                self._failed(error, probed)
                raise
            for part in answered(result):
                self._worked(self._circuits[part], probed)
            return result

    @contextmanager
    def _admitted(self) -> Iterator[list[_Circuit]]:
        """Which parts this batch probes. A probe that is cancelled leaves the next batch to probe."""
        half_open = [circuit for circuit in self._circuits.values() if circuit.until is not None]
        for circuit in half_open:
            self._refuse(circuit)
        for circuit in half_open:
            circuit.probed = True
        try:
            yield half_open
        finally:
            for circuit in half_open:
                circuit.probed = False

    def _refuse(self, circuit: _Circuit) -> None:
        left = (circuit.until or 0.0) - _now()
        if left > 0:
            raise circuit.part(f"{circuit.why} (left alone for {left:.1f} s)", retry_after=left)
        if circuit.probed:
            raise circuit.part(f"{circuit.why} (another batch probes it)")

    def _failed(self, error: Unavailable, probed: list[_Circuit]) -> None:
        circuit = next((self._circuits[part] for part in PARTS if isinstance(error, part)), None)
        if circuit is None:  # nobody's: a batch that took too long
            return
        circuit.failures, circuit.why = circuit.failures + 1, str(error)
        wanted = error.retry_after or 0.0
        if circuit.until is not None and circuit not in probed:  # began before it opened: says nothing new but how long
            circuit.until = max(circuit.until, _now() + wanted)
        elif circuit in probed or circuit.failures >= self._settings.open_after or wanted > self._settings.retry_for:
            self._open(circuit, max(self._settings.open_for, wanted), error)

    def _open(self, circuit: _Circuit, seconds: float, error: Unavailable) -> None:
        if circuit.until is None:
            self._metrics.circuit(circuit.name, is_open=True)
            log.warning("a part is out and left alone", part=circuit.name, seconds=seconds, failures=circuit.failures, error=str(error))
        circuit.until = _now() + seconds

    def _worked(self, circuit: _Circuit, probed: list[_Circuit]) -> None:
        if circuit.until is not None and circuit not in probed:
            return  # began before it opened
        if circuit.until is not None:
            self._metrics.circuit(circuit.name, is_open=False)
            log.info("a part answers again", part=circuit.name, failures=circuit.failures)
        circuit.until, circuit.failures = None, 0


def _now() -> float:
    return asyncio.get_running_loop().time()
