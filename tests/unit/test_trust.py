"""A certificate that is refused is a matter of settings; a connection that breaks off is an outage."""

import ssl

import httpx
import pytest
from qdrant_client.http.exceptions import ResponseHandlingException

from syncline_contracts.errors import ConfigurationError, IndexUnavailable
from syncline_store.index.errors import translate
from syncline_store.trust import untrusted

REFUSED = ssl.SSLCertVerificationError("self-signed certificate")
BROKEN = ssl.SSLEOFError("the handshake broke off")


def raised(first: Exception, *, named: bool) -> Exception:
    """What a client makes of it: an error of its own, which names the first as its cause, or was only raised while handling it."""
    error = httpx.ConnectError("cannot connect")
    if named:
        error.__cause__ = first
    else:
        error.__context__ = first
    return error


@pytest.mark.parametrize("named", [True, False])
def test_it_is_found_beneath_what_clients_make_of_it(*, named: bool) -> None:
    assert untrusted(raised(REFUSED, named=named))
    assert not untrusted(raised(BROKEN, named=named))


def test_the_index_tells_one_from_the_other() -> None:
    refused = translate(ResponseHandlingException(raised(REFUSED, named=True)), "https://qdrant:6333")
    assert isinstance(refused, ConfigurationError)
    assert "SSL_CERT_FILE" in str(refused)
    assert isinstance(translate(ResponseHandlingException(raised(BROKEN, named=True)), "https://qdrant:6333"), IndexUnavailable)
