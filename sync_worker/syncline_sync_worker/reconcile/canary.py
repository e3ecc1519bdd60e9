"""The canary: a probe is put as an app would put it, and searched for as an app would search, at a pace.

Each probe is a new value of one document of Syncline's own tenant, so that it goes the whole way: outbox, relay, transport, worker,
embedder, index, search. It ends by its TTL.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, assert_never
from uuid import uuid4

import structlog

from syncline_contracts.errors import SynclineError, Unavailable
from syncline_contracts.revision import Clock
from syncline_store.pauses import Pauses
from syncline_store.tenant import TenantView
from syncline_sync_worker.alerts import Alarm, Alert, AlertSettings, Severity
from syncline_sync_worker.observability.metrics import Metrics
from syncline_sync_worker.reconcile.settings import CanarySettings
from syncline_sync_worker.transport.backoff import unless, wait_for

log = structlog.get_logger(__name__)

NAMESPACE = ("canary",)
CALM = 3
"""Probes in a row that must be well before an alert is said to be over: a lag around the bound would call it off and on."""
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.5
"""Seconds between two looks."""
SLOW = "canary_slow"


@dataclass(frozen=True, slots=True)
class Searchable:
    """A search found the probe so many seconds after its put began."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Lost:
    """It was not found in time."""

    why: Literal["not_written", "not_searchable"]
    said: str


class Canary:
    """Runs beside the walks until their stop; a probe under way is given up then. `key` tells the probes of several watches apart.

    `measured` is told how many µs each probe took, one that was lost as long as it was waited for.
    """

    def __init__(
        self,
        system: TenantView,
        key: str,
        *,
        clock: Clock,
        settings: CanarySettings,
        alerts: AlertSettings,
        send: Callable[[Alert], Awaitable[bool]],
        metrics: Metrics,
        measured: Callable[[int], None],
    ) -> None:
        self._system = system
        self._key = key
        self._clock = clock
        self._settings = settings
        self._alarm = Alarm(alerts)
        self._send = send
        self._metrics = metrics
        self._measured = measured
        self._well = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Probe, tell, rest, again and again. No outage ends it."""
        if not self._settings.enabled:
            return
        self._metrics.probing()
        while not stop.is_set():
            probed = await unless(stop, self._probe())
            if probed is None:
                return
            await self._tell(self._judged(probed))
            await wait_for(stop, self._settings.interval)

    async def _probe(self) -> Searchable | Lost:
        probe, began = uuid4().hex, time.monotonic()
        lost: Literal["not_written", "not_searchable"] = "not_written"
        try:
            async with asyncio.timeout(self._settings.lost):
                value = {"probe": probe, "text": f"the canary's probe {probe}"}
                await self._system.put(NAMESPACE, self._key, value, ttl=self._settings.ttl)
                lost = "not_searchable"
                await self._found(probe)
        except TimeoutError:
            return Lost(lost, f"not within {self._settings.lost:g} s")
        except SynclineError as error:
            return Lost(lost, str(error))
        return Searchable(time.monotonic() - began)

    async def _found(self, probe: str) -> None:
        """Only a point of this very revision holds the probe. While a part does not answer, nothing is found."""
        pauses = Pauses(FIRST_PAUSE, LONGEST_PAUSE)
        while not await self._holds(probe):
            await pauses.pause()

    async def _holds(self, probe: str) -> bool:
        try:
            return bool(await self._system.search(NAMESPACE, filter={"probe": probe}, limit=1))
        except Unavailable as outage:
            log.debug("the canary cannot search", error=str(outage))
            return False

    def _judged(self, probed: Searchable | Lost) -> Alert | None:
        """What is worth telling of it; None while it is not known yet whether all is well again."""
        match probed:
            case Lost(why=why, said=said):
                self._well = 0
                self._metrics.probe_lost(why)
                self._measured(int(self._settings.lost * 1e6))
                log.warning("the canary's probe is lost", why=why, said=said)
                what = "cannot be written" if why == "not_written" else "is not searchable"
                return Alert(f"Syncline: what is put {what}", f"The canary's probe: {said}.", {why: Severity.CRITICAL})
            case Searchable(seconds=seconds):
                self._metrics.probed(seconds)
                self._measured(int(seconds * 1e6))
                if seconds > self._settings.slow:
                    self._well = 0
                    log.warning("the canary's probe is slow", seconds=round(seconds, 1))
                    body = f"From put to search took {seconds:.1f} s, where {self._settings.slow:g} s are allowed."
                    return Alert("Syncline: what is put is searchable late", body, {SLOW: Severity.WARNING})
                self._well += 1
                body = f"From put to search took {seconds:.2f} s."
                resolved = Alert("Syncline: what is put is searchable again", body, {})
                return resolved if self._well >= CALM else None
            case _:
                assert_never(probed)

    async def _tell(self, judged: Alert | None) -> None:
        alert = None if judged is None else self._alarm.weigh(judged, self._clock.now())
        if alert is None:
            return
        if await self._send(alert):
            self._alarm.told(alert, self._clock.now())
        else:
            self._metrics.alert_failed()
