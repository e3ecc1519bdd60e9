"""An OpenAI-compatible endpoint that works, and one that fails in every way that endpoints do."""

import asyncio
import email.utils
import logging
import ssl
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import numpy as np
import pytest
from starlette.responses import Response

from syncline_contracts.errors import ConfigurationError, DocumentRefused, EmbedderUnavailable, SynclineError
from syncline_store.embedding.endpoint import Endpoint
from syncline_store.embedding.openai import OpenAIEmbedder
from syncline_store.embedding.vectors import HARMLESS
from syncline_store.settings import EmbeddingSettings
from tests.parts.embedders import Vectors
from tests.parts.servers.embedding import KEY, EmbeddingServer, Fate, cut, failing, gathered, hanging, saying, spoilt, throttled

POISON = "POISON"
TEXTS = [f"text {number}" for number in range(20)]
Opener = Callable[..., OpenAIEmbedder]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[EmbeddingServer]:
    with EmbeddingServer() as server:
        yield server


@pytest.fixture
def server(endpoint: EmbeddingServer) -> EmbeddingServer:
    endpoint.asked.clear()
    endpoint.always, endpoint.refuses, endpoint.key, endpoint.base64, endpoint.max_texts = None, None, None, True, None
    endpoint.busiest = 0
    return endpoint


@pytest.fixture
async def open_embedder(server: EmbeddingServer) -> AsyncIterator[Opener]:
    opened: list[OpenAIEmbedder] = []

    def build(**settings: object) -> OpenAIEmbedder:
        chosen = EmbeddingSettings.model_validate({"base_url": server.url, "dimensions": 16, "timeout": 5, **settings})
        opened.append(OpenAIEmbedder("hash", chosen))
        return opened[-1]

    yield build
    for embedder in opened:
        await embedder.aclose()


@pytest.fixture
async def embedder(open_embedder: Opener) -> OpenAIEmbedder:
    """One that has found out that the endpoint takes base64."""
    embedder = open_embedder()
    await embedder.embed_query("first")
    return embedder


# ------------------------------------------------------------------ what failures mean

NAN = "failed to encode response: json: unsupported value: NaN"
FAILURES: dict[str, tuple[Fate, type[SynclineError], str]] = {
    "throttled": (throttled(2), EmbedderUnavailable, "429"),
    "no credit": (failing(402), EmbedderUnavailable, "402"),
    "its model fails": (failing(424), EmbedderUnavailable, "424"),
    "internal error": (failing(500), EmbedderUnavailable, "500"),
    "overloaded": (failing(503), EmbedderUnavailable, "503"),
    "a proxy waits no longer": (failing(504), EmbedderUnavailable, "504"),
    "its time-out": (failing(408), EmbedderUnavailable, "408"),
    "broken off": (cut(), EmbedderUnavailable, "cannot be reached"),
    "a proxy's page": (saying(Response("<html>come in</html>")), EmbedderUnavailable, "JSON: <html>"),
    "no embeddings": (saying({"choices": []}), EmbedderUnavailable, r"base_url"),
    "a list": (saying([1, 2]), EmbedderUnavailable, "base_url"),
    "one vector too few": (spoilt(lambda vectors: vectors[:-1]), EmbedderUnavailable, "0 vectors for 1 texts"),
    "one vector too many": (spoilt(lambda vectors: np.vstack([vectors, vectors])), EmbedderUnavailable, "2 vectors for 1 texts"),
    "wrong key": (failing(401), ConfigurationError, "embedding.api_key"),
    "no access to the model": (failing(403), ConfigurationError, "embedding.api_key"),
    "no such path": (failing(404), ConfigurationError, "embedding.base_url"),
    "moved": (failing(307, location="http://127.0.0.1:1/"), ConfigurationError, "embedding.base_url"),
    "another length": (spoilt(lambda vectors: vectors[:, :-1]), ConfigurationError, "15 dimensions, not 16.*embedding.dimensions"),
    "refused": (failing(400, "too long"), DocumentRefused, "400.*too long"),
    "too large": (failing(413), DocumentRefused, "413"),
    "cannot be tokenized": (failing(422), DocumentRefused, "422"),
    "NaN that cannot be said": (failing(500, NAN), DocumentRefused, "NaN"),
    "NaN": (spoilt(lambda vectors: vectors * np.float32(np.nan)), DocumentRefused, "not finite"),
    "infinite": (spoilt(lambda vectors: vectors + np.float32(np.inf)), DocumentRefused, "not finite"),
    "all zeros": (spoilt(lambda vectors: vectors * 0), DocumentRefused, "zeros"),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_failure_says_whether_to_come_back_to_mend_the_settings_or_to_give_up_the_text(
    server: EmbeddingServer, embedder: OpenAIEmbedder, failure: str
) -> None:
    fate, error, words = FAILURES[failure]
    for ask in (lambda: embedder.embed_documents(["a"]), lambda: embedder.embed_query("a")):
        server.fate(fate)
        with pytest.raises(error, match=words) as raised:
            await ask()
        assert type(raised.value) is error
    assert len(await embedder.embed_documents(["a"])) == 1, "it works again when the endpoint does"


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("7", 7), ("2.5", 2.5), ("0", None), ("soon", None), ("", None), ("-3", 0), ("999999", 3600), ("nan", None), ("inf", None)],
)
async def test_it_is_said_when_to_come_back(server: EmbeddingServer, embedder: OpenAIEmbedder, said: str, seconds: float | None) -> None:
    server.fate(throttled(said))
    with pytest.raises(EmbedderUnavailable) as raised:
        await embedder.embed_documents(["a"])
    assert (raised.value.retry_after or None) == (seconds or None)


async def test_it_is_said_when_to_come_back_by_date_and_in_milliseconds(server: EmbeddingServer, embedder: OpenAIEmbedder) -> None:
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    server.fate(failing(503, **{"retry-after": date}), failing(429, **{"retry-after": "9", "retry-after-ms": "1500"}))
    with pytest.raises(EmbedderUnavailable) as dated:
        await embedder.embed_query("a")
    with pytest.raises(EmbedderUnavailable) as counted:
        await embedder.embed_query("a")
    assert dated.value.retry_after == pytest.approx(30, abs=3)
    assert counted.value.retry_after == 1.5


async def test_an_endpoint_that_is_not_there_is_out(open_embedder: Opener) -> None:
    embedder = open_embedder(base_url="http://127.0.0.1:1/v1")
    with pytest.raises(EmbedderUnavailable, match="cannot be reached"):
        await embedder.embed_query("a")


async def test_an_endpoint_that_hangs_is_waited_for_as_long_as_the_settings_say(server: EmbeddingServer, open_embedder: Opener) -> None:
    embedder = open_embedder(timeout=0.3, concurrency=1)
    server.fate(hanging(), hanging())
    for ask in (lambda: embedder.embed_documents(["a"]), lambda: embedder.embed_query("a")):
        started = time.monotonic()
        with pytest.raises(EmbedderUnavailable, match=r"within 0\.3 s"):
            await ask()
        assert time.monotonic() - started < 3
    assert len(await embedder.embed_documents(["a"])) == 1, "its slot is free again"


async def test_queries_that_wait_for_a_slot_give_up_in_time(server: EmbeddingServer, open_embedder: Opener) -> None:
    embedder = open_embedder(timeout=0.4, concurrency=1)
    server.always = hanging()
    started = time.monotonic()
    errors = await asyncio.gather(*(embedder.embed_query(text) for text in TEXTS), return_exceptions=True)
    assert {type(error) for error in errors} == {EmbedderUnavailable}
    assert time.monotonic() - started < 3


async def test_a_cancelled_request_frees_its_slot(server: EmbeddingServer, open_embedder: Opener) -> None:
    embedder = open_embedder(concurrency=1)
    server.fate(hanging())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await embedder.embed_documents(["a"])
    assert len(await embedder.embed_documents(["a"])) == 1


async def test_nothing_is_asked_of_a_closed_one(server: EmbeddingServer, embedder: OpenAIEmbedder) -> None:
    await embedder.aclose()
    with pytest.raises(EmbedderUnavailable, match="closed"):
        await embedder.embed_query("a")
    assert len(server.asked) == 1


async def test_closing_ends_what_is_under_way(server: EmbeddingServer, open_embedder: Opener) -> None:
    embedder = open_embedder(concurrency=1)
    server.always = hanging()
    asking = [asyncio.create_task(embedder.embed_documents([text])) for text in TEXTS[:3]]
    async with asyncio.timeout(5):
        while not server.asked:  # noqa: ASYNC110 - the endpoint is on another thread
            await asyncio.sleep(0.01)
        await embedder.aclose()
        errors = await asyncio.gather(*asking, return_exceptions=True)
    assert {type(error) for error in errors} == {EmbedderUnavailable}


# ------------------------------------------------------------------ secrets


async def test_the_key_is_sent_and_never_shown(server: EmbeddingServer, open_embedder: Opener, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.key = KEY
    embedder = open_embedder(api_key=KEY)
    await embedder.embed_query("a")
    assert server.asked[-1].headers["authorization"] == f"Bearer {KEY}"
    shown = [repr(embedder), repr(vars(embedder)), repr(vars(embedder._endpoint))]
    for status in (400, 401, 403, 404, 429, 500):
        server.always = failing(status, f"you said Bearer {KEY}, did you not?")
        with pytest.raises(SynclineError) as raised:
            await embedder.embed_documents(["a"])
        shown += traceback.format_exception(raised.value)
    server.always = failing(307, location=f"http://127.0.0.1:1/{KEY}")
    with pytest.raises(ConfigurationError):
        await embedder.embed_query("a")
    shown += [record.getMessage() for record in caplog.records if record.name.startswith(("syncline", "httpx"))]
    assert not [line for line in shown if KEY in line]


async def test_a_wrong_key_is_refused_at_once(server: EmbeddingServer, open_embedder: Opener) -> None:
    server.key = KEY
    for key in ("sk-other", None):
        with pytest.raises(ConfigurationError, match="api_key"):
            await open_embedder(api_key=key).embed_documents(["a"])
    assert len(server.asked) == 2


def test_a_certificate_that_is_not_trusted_is_a_matter_of_settings() -> None:
    endpoint = Endpoint(EmbeddingSettings(base_url="https://localhost/v1"), "the model")
    error = httpx.ConnectError("certificate verify failed")
    error.__cause__ = ssl.SSLCertVerificationError("self-signed certificate")
    assert isinstance(endpoint._not_reached(error), ConfigurationError)
    assert isinstance(endpoint._not_reached(httpx.ConnectError("refused")), EmbedderUnavailable)


# ------------------------------------------------------------------ what is asked


async def test_documents_and_queries_are_asked_for_in_their_own_ways(server: EmbeddingServer, open_embedder: Opener) -> None:
    embedder = open_embedder(
        query_prefix="query: ",
        document_prefix="passage: ",
        query_fields={"input_type": "query"},
        document_fields={"input_type": "document"},
    )
    await embedder.embed_documents(["a", "b"])
    await embedder.embed_query("a")
    assert [asked.body for asked in server.asked] == [
        {"model": "hash", "input": ["passage: a", "passage: b"], "encoding_format": "base64", "input_type": "document"},
        {"model": "hash", "input": ["query: a"], "encoding_format": "base64", "input_type": "query"},
    ]


async def test_dimensions_are_sent_only_to_have_vectors_shortened(server: EmbeddingServer, open_embedder: Opener) -> None:
    await open_embedder().embed_query("a")
    vector = await open_embedder(dimensions=8, shorten=True).embed_query("a")
    assert "dimensions" not in server.asked[0].body
    assert server.asked[1].body["dimensions"] == 8
    assert vector.shape == (8,)


async def test_requests_keep_their_bounds(server: EmbeddingServer, open_embedder: Opener) -> None:
    embedder = open_embedder(max_batch=4, concurrency=3)
    await embedder.embed_query("first")
    server.asked.clear()
    server.fate(gathered(3), gathered(2), gathered(1))
    await embedder.embed_documents(TEXTS * 5)
    assert max(len(asked.texts) for asked in server.asked) == 4
    assert len(server.asked) == 25
    assert server.busiest == 3


async def test_what_is_no_text_is_refused_before_anything_is_sent(server: EmbeddingServer, open_embedder: Opener) -> None:
    with pytest.raises(DocumentRefused, match="surrogates"):
        await open_embedder(max_batch=1).embed_documents(["a", "b", "\ud800"])
    assert server.asked == []


async def test_one_request_that_fails_ends_the_others(server: EmbeddingServer, open_embedder: Opener) -> None:
    embedder = open_embedder(max_batch=1, concurrency=4)
    server.always = hanging()
    server.fate(hanging(), hanging(), failing(503))
    started = time.monotonic()
    with pytest.raises(EmbedderUnavailable, match="503"):
        await embedder.embed_documents(TEXTS)
    assert time.monotonic() - started < 3
    assert len(server.asked) <= 5, "those that waited were never sent"
    server.always = None
    assert len(await embedder.embed_documents(TEXTS)) == len(TEXTS)


async def test_a_request_that_is_too_large_is_halved(server: EmbeddingServer, open_embedder: Opener) -> None:
    embedder = open_embedder(max_batch=16)
    await embedder.embed_query("first")
    server.max_texts = 5
    vectors = await embedder.embed_documents(TEXTS)
    np.testing.assert_allclose(vectors, server.embedder.vectors(TEXTS), atol=1e-6)
    assert [len(asked.texts) for asked in server.asked if len(asked.texts) <= 5] == [1, *[4] * 5]


# ------------------------------------------------------------------ base64


async def test_an_endpoint_without_base64_is_found_out_once(server: EmbeddingServer, open_embedder: Opener) -> None:
    server.base64 = False
    embedder = open_embedder()
    for _ in range(3):
        await embedder.embed_query("a")
    assert ["encoding_format" in asked.body for asked in server.asked] == [True, False, False, False]


async def test_a_refused_text_does_not_put_an_end_to_base64(server: EmbeddingServer, open_embedder: Opener) -> None:
    server.refuses = POISON
    embedder = open_embedder()
    with pytest.raises(DocumentRefused):
        await embedder.embed_documents(["a", POISON])
    await embedder.embed_documents(["a"])
    assert "encoding_format" in server.asked[-1].body
    asked = len(server.asked)
    with pytest.raises(DocumentRefused):
        await embedder.embed_documents(["a", POISON])
    assert len(server.asked) == asked + 1, "once it is known, a refusal is not asked twice"


async def test_floats_from_the_start_where_the_settings_say_so(server: EmbeddingServer, open_embedder: Opener) -> None:
    vectors = await open_embedder(encoding="float").embed_documents(TEXTS)
    np.testing.assert_allclose(vectors, server.embedder.vectors(TEXTS), atol=1e-6)
    assert "encoding_format" not in server.asked[0].body


# ------------------------------------------------------------------ whose fault it is


async def test_a_lone_text_is_refused_only_if_a_harmless_one_is_not(server: EmbeddingServer, embedder: OpenAIEmbedder) -> None:
    server.refuses = POISON
    with pytest.raises(DocumentRefused, match="context length"):
        await embedder.embed_documents([POISON])
    assert [asked.texts for asked in server.asked[1:]] == [[POISON], [HARMLESS]]


@pytest.mark.parametrize("fate", [failing(400, "unknown parameter"), spoilt(lambda vectors: vectors * 0)], ids=["refuses", "zeros"])
async def test_an_endpoint_that_takes_nothing_at_all_is_a_matter_of_settings(
    server: EmbeddingServer, embedder: OpenAIEmbedder, fate: Fate
) -> None:
    server.always = fate
    with pytest.raises(ConfigurationError, match="not the documents' fault"):
        await embedder.embed_documents(["a"])
    with pytest.raises(ConfigurationError, match="not the documents' fault"):
        await embedder.embed_query("a")


async def test_an_outage_while_the_fault_is_looked_for_is_an_outage(server: EmbeddingServer, embedder: OpenAIEmbedder) -> None:
    server.fate(failing(400), failing(503))
    with pytest.raises(EmbedderUnavailable, match="503"):
        await embedder.embed_documents(["a"])


async def test_one_spoilt_vector_refuses_its_request(server: EmbeddingServer, embedder: OpenAIEmbedder) -> None:
    def third(vectors: Vectors) -> Vectors:
        vectors[2] = np.nan
        return vectors

    server.fate(spoilt(third))
    with pytest.raises(DocumentRefused, match="not finite"):
        await embedder.embed_documents(TEXTS)
