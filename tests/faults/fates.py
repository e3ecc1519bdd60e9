"""What becomes of requests to the embedding endpoint, by chance."""

from random import Random

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from tests.parts.embedders import Vectors
from tests.parts.servers.embedding import Asked, EmbeddingServer, Fate


class Sometimes:
    """This fate with this probability, and the right answer otherwise. `fired`: how often."""

    def __init__(self, dice: Random, probability: float, fate: Fate) -> None:
        self._dice = dice
        self._probability = probability
        self._fate = fate
        self.fired = 0

    async def __call__(self, server: EmbeddingServer, request: Request, asked: Asked) -> Response:
        if self._dice.random() >= self._probability:
            return server.answer(asked)
        self.fired += 1
        return await self._fate(server, request, asked)


def not_a_number_for(marker: str) -> Fate:
    """NaN for each text that holds the marker, as models give for what they cannot take."""

    async def answer(server: EmbeddingServer, _: Request, asked: Asked) -> Response:
        vectors = server.embedder.vectors(asked.texts)
        vectors[[marker in text for text in asked.texts]] = np.nan
        return server.vectors(asked, vectors)

    return answer


def one_less(vectors: Vectors) -> Vectors:
    """A vector is missing."""
    return vectors[:-1]
