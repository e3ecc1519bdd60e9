"""What an HTTP status says about an embedding request, in the tree of errors.py. One table for every embedder that knows statuses."""

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from syncline_contracts.errors import ConfigurationError, DocumentRefused, EmbedderUnavailable, SynclineError

TOO_LARGE = 413
_REFUSED = (400, TOO_LARGE, 422)
_DENIED = (401, 403)
_LATER = (402, 408, 409, 424, 425, 429)
"""402 is a bill that somebody will pay; 424 is what Text Embeddings Inference answers while its model fails."""
_SERVER = 500
_NOT_A_NUMBER = "unsupported value: NaN"
"""Ollama answers 500 with these words where the model gave NaN for a text: it would never answer otherwise."""
LONGEST_WAIT = 3600.0
"""Seconds of a Retry-After that are believed."""
_LONGEST_SAID = 300


def of_status(status: int, model: str, said: str, retry_after: float | None = None) -> SynclineError:
    """The error that an answer other than success is. `said`: the answer's own words, which may repeat the text, but no secret."""
    said = shortened(said)
    if status in _DENIED:  # its words may hold the key
        return ConfigurationError(f"{model} refused access ({status}): check embedding.api_key")
    if status in _REFUSED or _NOT_A_NUMBER in said:
        return DocumentRefused(f"{model} refused the request ({status}): {said}")
    if status in _LATER or status >= _SERVER:
        return EmbedderUnavailable(f"{model} cannot answer now ({status}): {said}", retry_after=retry_after)
    return ConfigurationError(f"{model} answered {status}: {said}; check embedding.base_url and the model's name in `embedder`")


def shortened(said: str) -> str:
    """The first words of an answer, on one line."""
    line = " ".join(said.split())
    return line if len(line) <= _LONGEST_SAID else line[:_LONGEST_SAID] + "…"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait (RFC 9110, 10.2.3: seconds or a date; OpenAI adds milliseconds). None where it is not said, or nonsense."""
    seconds = _number(headers.get("retry-after-ms"), 1000) or _number(headers.get("retry-after"), 1) or _until(headers.get("retry-after"))
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_WAIT)


def _number(said: str | None, part: int) -> float | None:
    try:
        seconds = float(said or "") / part
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None


def _until(said: str | None) -> float | None:
    try:
        return parsedate_to_datetime(said or "").timestamp() - time.time()
    except ValueError:
        return None
