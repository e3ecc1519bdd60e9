"""An embeddings answer, read: vectors in the order of the texts, whatever liberties the endpoint took."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from syncline_contracts.errors import EmbedderUnavailable


def vectors_of(body: Any, model: str) -> list[npt.NDArray[np.float32]]:
    """One array a vector, as it came: neither number nor length is checked. Raises EmbedderUnavailable where it is no such answer."""
    try:
        items = list(body["data"])
        rows = [_row(item["embedding"]) for item in items]
        places = _places([item.get("index", place) for place, item in enumerate(items)])
        return [rows[place] for place in places]
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise EmbedderUnavailable(f"{model} answered with something else than embeddings ({error!r}): check embedding.base_url") from error


def _row(embedding: Any) -> npt.NDArray[np.float32]:
    """Little-endian floats in base64, or a list of numbers from an endpoint that did not care."""
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding, validate=True), "<f4")
    return np.asarray(embedding, np.float32)


def _places(indices: Sequence[Any]) -> list[int]:
    """Where each text's vector stands. Some endpoints leave a zero out, others number all of them with zero: these keep the order."""
    if not any(indices):
        return list(range(len(indices)))
    if sorted(indices) != list(range(len(indices))):
        raise ValueError("its indices are not those of the texts")
    return sorted(range(len(indices)), key=indices.__getitem__)
