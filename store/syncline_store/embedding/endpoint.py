"""An embeddings endpoint over HTTP: one POST, and what the answer means."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import httpx

from syncline_contracts.errors import ConfigurationError, DocumentRefused, EmbedderUnavailable, SynclineError
from syncline_store.embedding.errors import TOO_LARGE, of_status, retry_after, shortened
from syncline_store.settings import EmbeddingSettings
from syncline_store.trust import REMEDY, untrusted

PATH = "/embeddings"
_HIDDEN = "***"


@dataclass(frozen=True, slots=True)
class Answered:
    """The endpoint did as it was asked; `body` is its JSON."""

    body: Any


@dataclass(frozen=True, slots=True)
class Refused:
    """It will not do that, as it is. `too_large`: less of it might pass."""

    error: DocumentRefused
    too_large: bool


Answer = Answered | Refused


class Endpoint:
    """A pool of connections, made at the first request. No error, log line or repr of it holds the key."""

    def __init__(self, settings: EmbeddingSettings, model: str) -> None:
        self._settings = settings
        self._model = f"{model} at {settings.base_url}"
        self._client: httpx.AsyncClient | None = None
        self._closed = False

    async def ask(self, body: dict[str, Any]) -> Answer:
        """POST it. Raises EmbedderUnavailable (with what Retry-After says), ConfigurationError."""
        try:
            async with asyncio.timeout(self._settings.timeout):
                response = await self._connected().post(self._settings.base_url + PATH, json=body)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise EmbedderUnavailable(f"{self._model} did not answer within {self._settings.timeout:g} s") from error
        except httpx.HTTPError as error:
            raise self._not_reached(error) from error
        if response.is_success:
            return self._answered(response)
        problem = of_status(response.status_code, self._model, self._said(response), retry_after(response.headers))
        if isinstance(problem, DocumentRefused):
            return Refused(problem, response.status_code == TOO_LARGE)
        raise problem

    async def aclose(self) -> None:
        """Close the connections. Closing twice does nothing."""
        self._closed = True
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _connected(self) -> httpx.AsyncClient:
        if self._closed:
            raise EmbedderUnavailable(f"the embedder {self._model} is closed")
        if self._client is None:
            settings, key = self._settings, self._settings.api_key
            self._client = httpx.AsyncClient(
                headers={} if key is None else {"Authorization": f"Bearer {key.get_secret_value()}"},
                timeout=httpx.Timeout(None, connect=settings.connect_timeout),
                limits=httpx.Limits(max_connections=2 * settings.concurrency),
                verify=settings.base_url.startswith("https:"),  # loading the authorities takes a while, and http needs none
                follow_redirects=False,  # a key is sent to nobody but the endpoint that was named
            )
        return self._client

    def _not_reached(self, error: httpx.HTTPError) -> SynclineError:
        if untrusted(error):
            return ConfigurationError(f"{self._model} cannot be reached ({error}): check embedding.base_url; {REMEDY}")
        return EmbedderUnavailable(f"{self._model} cannot be reached: {self._hide(repr(error))}")

    def _answered(self, response: httpx.Response) -> Answered:
        try:
            return Answered(response.json())
        except ValueError as error:  # a proxy's page, or half an answer
            raise EmbedderUnavailable(f"{self._model} did not answer with JSON: {self._said(response)}") from error

    def _said(self, response: httpx.Response) -> str:
        """The message of an error answer, in whichever of the usual places it is."""
        try:
            body = response.json()
        except ValueError:
            return self._hide(response.text)
        for place in ("error", "message", "detail"):
            if isinstance(body, dict) and place in body:
                body = body[place]
        return self._hide(body if isinstance(body, str) else json.dumps(body))

    def _hide(self, said: str) -> str:
        key = self._settings.api_key
        return shortened(said if key is None else said.replace(key.get_secret_value(), _HIDDEN))
