"""Lines of an export: every document that lives, with what makes it what it is."""

import json
from typing import Any

from syncline_contracts.revision import Clock
from syncline_store import open_store
from syncline_store.document import Apart
from syncline_store.exported import Exported
from tests.parts.clock import START, ManualClock
from tests.parts.embedders import HashEmbedder

INDEXES: dict[str, Any] = {"as it is": None, "not": False, "paths": ["title"], "apart": Apart(("title", "items[0]"))}


async def test_index_and_expiry_come_along() -> None:
    time = ManualClock()
    async with open_store("sqlite:///:memory:", index=":memory:", embedder=HashEmbedder(), clock=Clock(now=time)) as store:
        acme = store.tenant("acme")
        for key, index in INDEXES.items():
            await acme.put(("a", "b"), key, {"title": "t", "items": ["x"], "key": 1}, index=index)
        await acme.put(("a",), "lasting", {"title": "x"}, ttl=60)
        await acme.put(("a",), "short", {"title": "x"}, ttl=5)
        await acme.put(("a",), "gone", {"title": "x"})
        await acme.delete(("a",), "gone")
        await store.tenant("other").put(("a",), "theirs", {"title": "x"})
        time.forward(10)
        header, *lines = [json.loads(line) async for line in acme.export()]
        assert (header["tenant"], header["prefix"]) == ("acme", [])
        found = {one.key: one for one in map(Exported.of, lines)}
        assert {key: one.index for key, one in found.items() if key in INDEXES} == INDEXES
        assert found.keys() == INDEXES.keys() | {"lasting"}
        assert found["lasting"].expires_at == START + 60_000_000
        assert found["not"].value == {"title": "t", "items": ["x"], "key": 1}
        below = [json.loads(line) async for line in acme.export(("a", "b"))]
        assert below[0]["prefix"] == ["a", "b"]
        assert len(below) == 1 + len(INDEXES)
