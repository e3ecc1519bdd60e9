import io
import json
from collections.abc import Iterator

import pytest
import structlog

from syncline_sync_worker.observability.logs import set_up
from syncline_sync_worker.observability.metrics import Metrics


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_json_lines_go_to_the_stream_without_secrets() -> None:
    stream = io.StringIO()
    set_up("json", "info", stream)
    structlog.get_logger().info("opened", index_api_key="hunter2", shard=3)
    structlog.get_logger().debug("not shown")
    (line,) = stream.getvalue().splitlines()
    shown = json.loads(line)
    assert (shown["event"], shown["level"], shown["shard"], shown["index_api_key"]) == ("opened", "info", 3, "***")
    assert "hunter2" not in line


def test_console_lines_are_for_people() -> None:
    stream = io.StringIO()
    set_up("console", "warning", stream)
    structlog.get_logger().warning("the mark waits", shard=3)
    assert "the mark waits" in stream.getvalue()
    assert "\x1b" not in stream.getvalue(), "no colours where no terminal is"


def test_a_level_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="loud"):
        set_up(level="loud")


def test_two_metrics_do_not_share_a_registry() -> None:
    one, other = Metrics(), Metrics()
    one.published(0, 5)
    assert one.registry.get_sample_value("syncline_relay_published_total", {"shard": "0"}) == 5
    assert other.registry.get_sample_value("syncline_relay_published_total", {"shard": "0"}) is None
