"""The canary over a real store: what it measures, tells, leaves behind, and that no tenant sees it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from syncline_contracts.errors import IndexUnavailable, InvalidDocument, StorageUnavailable
from syncline_contracts.identity import SYSTEM_TENANT
from syncline_store import open_store
from syncline_store.store import Store
from syncline_store.testing import WordEmbedder
from syncline_sync_worker.alerts import Alert, AlertSettings, Severity
from syncline_sync_worker.observability.metrics import Metrics
from syncline_sync_worker.reconcile.canary import NAMESPACE, Canary, Lost, Searchable
from syncline_sync_worker.reconcile.settings import CanarySettings
from tests.parts.consuming import until as wait
from tests.parts.through import Through

FAST = CanarySettings(interval=0.01, slow=1.0, lost=1.5)
PATIENT = CanarySettings(interval=0.01, slow=10, lost=20)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Inline: a put returns once the index has it."""
    async with open_store(
        f"sqlite:///{tmp_path / 'documents.db'}", index=f"path:{tmp_path / 'index'}", embedder=WordEmbedder(32)
    ) as opened:
        yield opened


class Probing:
    """A canary whose puts and searches go as `put` and `search` let them."""

    def __init__(self, store: Store, settings: CanarySettings = FAST) -> None:
        system = store.system()
        self.alerts: list[Alert] = []
        self.lags: list[int] = []
        self.metrics = Metrics()
        self.stop = asyncio.Event()
        self.fails: Exception | None = None
        self.late = 0.0
        self.blind: Exception | bool = False
        self.stumbles = 0
        self.swallows = False
        self.sends = True

        async def put(*given: Any, **named: Any) -> int:
            if self.fails is not None:
                raise self.fails
            if self.swallows:
                return 1
            await asyncio.sleep(self.late)
            return await system.put(*given, **named)

        async def search(*given: Any, **named: Any) -> Any:
            if isinstance(self.blind, Exception):
                raise self.blind
            if self.stumbles:
                self.stumbles -= 1
                raise IndexUnavailable("no answer")
            return [] if self.blind else await system.search(*given, **named)

        view: Any = Through(system, put=put, search=search)
        self.canary = Canary(
            view, "1-1", clock=store.parts.clock, settings=settings, alerts=AlertSettings(), send=self._send,
            metrics=self.metrics, measured=self.lags.append,
        )  # fmt: skip

    async def _send(self, alert: Alert) -> bool:
        self.alerts.append(alert)
        return self.sends

    async def probe(self, times: int = 1) -> None:
        """So many probes, then the stop."""
        until = len(self.lags) + times
        self.stop.clear()
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            running = group.create_task(self.canary.run(self.stop))
            await wait(lambda: len(self.lags) >= until or running.done())
            self.stop.set()

    def value(self, name: str, **labels: str) -> float:
        found = self.metrics.registry.get_sample_value(name, labels)
        assert found is not None, name
        return found


async def test_a_probe_is_found_and_measured(store: Store) -> None:
    probing = Probing(store, PATIENT)
    await probing.probe(times=2)
    assert probing.value("syncline_canary_seconds_count") == len(probing.lags) >= 2
    assert 0 < probing.value("syncline_canary_last_seconds") < PATIENT.slow
    assert probing.value("syncline_canary_age_seconds") < 5
    assert probing.alerts == [], "all is well, and was"


async def test_no_tenant_sees_a_probe_and_its_life_ends(store: Store) -> None:
    await store.tenant("acme").put(NAMESPACE, "1-1", {"text": "not a probe"})
    await Probing(store, PATIENT).probe(times=2)
    assert [hit.value for hit in await store.tenant("acme").search(query="the canary's probe")] == [{"text": "not a probe"}]
    assert await store.tenant("acme").count() == 1
    with pytest.raises(InvalidDocument, match="Syncline's own"):
        store.tenant(SYSTEM_TENANT)
    (probe,) = (await store.system().list()).items
    assert probe.expires_at is not None, "each probe takes the place of the one before it, and the last one ends by itself"


async def test_what_cannot_be_found_is_lost_and_told_once_until_it_is_found_again(store: Store) -> None:
    probing = Probing(store)
    probing.blind = True
    await probing.probe(times=2)
    assert [(alert.severity, alert.title) for alert in probing.alerts] == [(Severity.CRITICAL, "Syncline: what is put is not searchable")]
    assert probing.value("syncline_canary_failures_total", why="not_searchable") >= 2
    assert min(probing.lags) == FAST.lost * 1e6, "the lag is at least as long"
    probing.blind = IndexUnavailable("no answer")
    await probing.probe()
    assert len(probing.alerts) == 1, "an index that does not answer finds nothing either"
    probing.blind = False
    await probing.probe(times=2)
    assert len(probing.alerts) == 1, "two probes may be luck"
    await probing.probe(times=2)
    assert [alert.severity for alert in probing.alerts] == [Severity.CRITICAL, Severity.RESOLVED]


async def test_what_cannot_be_written_is_told_with_its_reason(store: Store) -> None:
    probing = Probing(store)
    probing.fails = StorageUnavailable("no node answers")
    await probing.probe()
    assert (probing.alerts[0].title, probing.alerts[0].body) == (
        "Syncline: what is put cannot be written",
        "The canary's probe: no node answers.",
    )
    assert probing.value("syncline_canary_failures_total", why="not_written") >= 1


async def test_a_slow_probe_is_a_warning(store: Store) -> None:
    probing = Probing(store, CanarySettings(interval=0.01, slow=0.2, lost=20))
    probing.late = 0.25
    await probing.probe()
    assert [alert.severity for alert in probing.alerts] == [Severity.WARNING]
    assert "0.2 s are allowed" in probing.alerts[0].body


async def test_only_this_very_probe_is_found(store: Store) -> None:
    await Probing(store, PATIENT).probe()
    probing = Probing(store, CanarySettings(interval=0.01, slow=0.1, lost=0.3))
    probing.swallows = True
    await probing.probe()
    assert probing.value("syncline_canary_failures_total", why="not_searchable") >= 1, "the one before it is still there"


async def test_an_index_that_stumbles_is_asked_again(store: Store) -> None:
    probing = Probing(store, PATIENT)
    probing.stumbles = 2
    await probing.probe()
    assert (probing.stumbles, probing.alerts) == (0, [])


async def test_what_could_not_be_sent_is_counted_and_said_again(store: Store) -> None:
    probing = Probing(store)
    probing.fails, probing.sends = StorageUnavailable("no node answers"), False
    await probing.probe(times=2)
    assert len(probing.alerts) == probing.value("syncline_reconcile_alerts_failed_total") >= 2


def test_all_is_well_again_after_three_in_a_row(store: Store) -> None:
    canary = Probing(store).canary
    fine, slow, lost = Searchable(0.1), Searchable(FAST.slow + 1), Lost("not_written", "away")
    found = [canary._judged(probed) for probed in (fine, fine, lost, fine, fine, slow, fine, fine, fine)]
    assert [None if alert is None else alert.severity for alert in found] == [
        *(None, None, Severity.CRITICAL),
        *(None, None, Severity.WARNING),
        *(None, None, Severity.RESOLVED),
    ]


async def test_a_stop_does_not_wait_for_a_probe(store: Store) -> None:
    probing = Probing(store, CanarySettings(interval=60, lost=60))
    probing.blind = True
    running = asyncio.create_task(probing.canary.run(probing.stop))
    await asyncio.sleep(0)
    probing.stop.set()
    async with asyncio.timeout(5):
        await running
    assert probing.alerts == []


async def test_a_canary_that_is_off_writes_nothing(store: Store) -> None:
    probing = Probing(store, CanarySettings(enabled=False))
    await probing.probe()
    assert await store.system().count() == 0
    assert probing.value("syncline_canary_age_seconds") == 0


def test_an_alert_comes_within_a_minute() -> None:
    settings = CanarySettings()
    assert settings.interval + settings.lost <= 60
