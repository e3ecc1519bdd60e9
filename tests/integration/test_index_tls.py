"""An index behind a certificate: any server that shows one will do, here the CQL server's."""

import time

import pytest

from syncline_contracts.errors import ConfigurationError, IndexUnavailable
from syncline_store.index import client
from syncline_store.index.index import Index
from tests.parts.embedders import HashEmbedder
from tests.parts.servers import cql


@pytest.fixture
def url() -> str:
    at = cql.server()
    if at.ca_file is None:
        pytest.skip("this server's certificate is not known here")
    return f"https://{at.host}:{at.port}"


async def test_a_certificate_that_nobody_vouches_for_is_told_at_once(url: str) -> None:
    started = time.monotonic()
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
        await Index.open(url, collection="notes", embedder=HashEmbedder())
    assert time.monotonic() - started < 10


async def test_the_file_that_vouches_for_it_is_named_in_the_environment(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Now it gets through, to a server that is no Qdrant."""
    monkeypatch.setattr(client, "TIMEOUT", 1)
    monkeypatch.setenv("SSL_CERT_FILE", str(cql.server().ca_file))
    with pytest.raises(IndexUnavailable):
        await Index.open(url, collection="notes", embedder=HashEmbedder())
