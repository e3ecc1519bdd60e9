"""Points as the indexer makes them, of documents that need no source."""

from collections.abc import Sequence
from typing import Any

from syncline_contracts.identity import SEGMENTS, Ref, point_id
from syncline_contracts.revision import NEVER
from syncline_store.index.changes import Upsert
from syncline_store.index.guard import Below
from syncline_store.index.index import Index
from syncline_store.index.points import Point
from tests.parts.clock import START
from tests.parts.embedders import HashEmbedder

EMBEDDER = HashEmbedder(8)


def ref(number: int) -> Ref:
    return Ref("acme", ("notes", "x\x01y"), f"n{number}")


def point(number: int, passage: int = 0, *, text: str = "t", **changed: Any) -> Point:
    owner = ref(number)
    payload: dict[str, Any] = {
        "document": str(owner.document),
        "tenant": owner.tenant,
        "namespaces": ["notes\x01", "notes\x01x\x02\x04y\x01"],
        "key": owner.key,
        "revision": START + number,
        "content_hash": f"{number:032x}",
        "text_hash": "t",
        "model": EMBEDDER.model,
        "passage": passage,
        "passages": 1,
        "span": [0, 1],
        "segment": number % SEGMENTS,
        "slice": owner.slice,
        "expires_at": NEVER,
        "mark": "live",
        "fields": {"n": number, "list": [number, "x"]},
        **changed,
    }
    return Point(point_id(owner.document, passage), owner.document, EMBEDDER.vectors([text])[0], payload)


async def put(index: Index, points: Sequence[Point]) -> None:
    await index.upsert([Upsert(points, Below(1))])
