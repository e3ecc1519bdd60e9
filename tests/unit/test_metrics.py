"""Each thing that happens, as a scrape shows it; ages that grow while what should lower them is stuck."""

import pytest

from syncline_contracts.errors import StorageUnavailable, TransportUnavailable
from syncline_sync_worker.observability.metrics import Metrics
from tests.parts.clock import SECOND, ManualClock


class Scraped:
    """Metrics, and their values by name."""

    def __init__(self) -> None:
        self.time = ManualClock()
        self.metrics = Metrics(now=self.time)

    def __call__(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"syncline_{name}", labels)


@pytest.fixture
def scraped() -> Scraped:
    return Scraped()


def test_what_is_published_and_late_is_counted(scraped: Scraped) -> None:
    scraped.metrics.published(3, 10)
    scraped.metrics.published(3, 5)
    scraped.metrics.late(7 * SECOND)
    assert scraped("relay_published_total", shard="3") == 15
    assert scraped("relay_late_seconds_bucket", le="5.0") == 0
    assert scraped("relay_late_seconds_bucket", le="10.0") == 1


def test_lag_and_mark_age_while_nothing_moves(scraped: Scraped) -> None:
    scraped.metrics.lag(0, scraped.time() - SECOND)
    scraped.metrics.mark(0, scraped.time() - 60 * SECOND)
    assert (scraped("relay_lag_seconds", shard="0"), scraped("relay_mark_age_seconds", shard="0")) == (1, 60)
    scraped.time.forward(30)
    assert (scraped("relay_lag_seconds", shard="0"), scraped("relay_mark_age_seconds", shard="0")) == (31, 90)
    scraped.metrics.lag(0, scraped.time() + SECOND)
    assert scraped("relay_lag_seconds", shard="0") == 0, "another process's clock may be ahead"


def test_a_shard_that_is_not_ours_any_more_is_not_told(scraped: Scraped) -> None:
    scraped.metrics.lease(0, "taken")
    scraped.metrics.lease(1, "taken")
    scraped.metrics.lag(0, scraped.time())
    scraped.metrics.mark(1, scraped.time())
    assert scraped("relay_leases") == 2
    scraped.metrics.lease(0, "lost")
    scraped.metrics.lease(1, "released")
    assert scraped("relay_leases") == 0
    assert scraped("relay_lag_seconds", shard="0") is None
    assert scraped("relay_mark_age_seconds", shard="1") is None
    assert [scraped("relay_lease_changes_total", change=change) for change in ("taken", "lost", "released")] == [2, 1, 1]


def test_pauses_are_counted_by_error(scraped: Scraped) -> None:
    scraped.metrics.stuck(TransportUnavailable("x"))
    scraped.metrics.stuck(StorageUnavailable("x"))
    scraped.metrics.stuck(StorageUnavailable("x"))
    assert scraped("relay_pauses_total", error="TransportUnavailable") == 1
    assert scraped("relay_pauses_total", error="StorageUnavailable") == 2


def test_batches_are_counted_by_outcome_and_time(scraped: Scraped) -> None:
    scraped.metrics.handled({"embed": 3, "skip_stale": 1}, 250_000)
    scraped.metrics.retried(TransportUnavailable("x"))
    scraped.metrics.paused(TransportUnavailable("x"))
    assert scraped("handler_outcomes_total", outcome="embed") == 3
    assert scraped("handler_batch_seconds_count") == 1
    assert scraped("handler_batch_seconds_sum") == 0.25
    assert scraped("handler_retries_total", error="TransportUnavailable") == 1
    assert scraped("handler_pauses_total", error="TransportUnavailable") == 1


def test_the_consumer_tells_whether_it_pauses_what_it_has_and_how_far_the_group_is_behind(scraped: Scraped) -> None:
    scraped.metrics.consuming(paused=True)
    scraped.metrics.assigned(4)
    scraped.metrics.assigned(2)
    scraped.metrics.behind(100, scraped.time() - 5 * SECOND)
    scraped.time.forward(5)
    values = [scraped(f"consumer_{name}") for name in ("paused", "partitions", "rebalances_total", "lag_records", "lag_seconds")]
    assert values == [1, 2, 2, 100, 10]
    scraped.metrics.consuming(paused=False)
    scraped.metrics.behind(0, None)
    assert [scraped(f"consumer_{name}") for name in ("paused", "lag_records", "lag_seconds")] == [0, 0, 0]


def test_the_oldest_dead_letter_ages_until_there_is_none(scraped: Scraped) -> None:
    scraped.metrics.oldest_letter(scraped.time() - SECOND)
    assert scraped("dead_letters_oldest_seconds") == 1
    scraped.metrics.oldest_letter(None)
    assert scraped("dead_letters_oldest_seconds") == 0


def test_open_dead_letters_are_told_by_error_and_forgotten_when_they_are_closed(scraped: Scraped) -> None:
    scraped.metrics.open_letters({"DocumentRefused": 2, "UndecodableEvent": 1})
    assert scraped("dead_letters_open", error="DocumentRefused") == 2
    scraped.metrics.open_letters({"UndecodableEvent": 3})
    assert scraped("dead_letters_open", error="UndecodableEvent") == 3
    assert scraped.metrics.registry.get_sample_value("syncline_dead_letters_open", {"error": "DocumentRefused"}) is None
