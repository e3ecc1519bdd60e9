import pytest

from tests.parts.servers.kafka import kafka, own_kafka

__all__ = ["kafka", "own_kafka"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run the long versions of the crash tests")


@pytest.fixture
def soak(request: pytest.FixtureRequest) -> bool:
    """Whether the long versions are asked for."""
    return bool(request.config.getoption("--soak"))
