"""The servers, and what runs on them, shared by the tests of a module."""

import os
from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from tests.parts import stack
from tests.parts.servers import cql
from tests.parts.servers.process import NoServerError
from tests.parts.stack import Servers


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Skips where one cannot be had; with CI=true that is a failure."""
    try:
        with stack.servers(lambda: nullcontext(cql.server())) as found:
            yield found
    except NoServerError as error:
        told = f"no CQL server, no Kafka or no Qdrant: {error}"
        if os.environ.get("CI") == "true":
            pytest.fail(told)
        pytest.skip(told)
