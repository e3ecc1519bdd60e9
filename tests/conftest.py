from collections import Counter

import pytest

from tests.parts.servers.kafka import kafka, own_kafka
from tests.parts.servers.qdrant import TOLD, own_qdrant, qdrant

__all__ = ["kafka", "own_kafka", "own_qdrant", "qdrant"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run the long versions of the crash tests")


@pytest.fixture
def soak(request: pytest.FixtureRequest) -> bool:
    """Whether the long versions are asked for."""
    return bool(request.config.getoption("--soak"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was not tested for want of a server, and what stood in for one, is said in the last lines, not left to be missed."""
    for told in TOLD:
        terminalreporter.write_line(told, yellow=True)
    reasons = Counter(report.longrepr[2] for report in terminalreporter.stats.get("skipped", []) if isinstance(report.longrepr, tuple))
    for reason, count in reasons.items():
        if "no CQL server" in reason or "no Kafka" in reason:
            terminalreporter.write_line(f"NOT TESTED: {count} tests. {reason.removeprefix('Skipped: ')}", red=True, bold=True)
