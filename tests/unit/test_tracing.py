"""Spans: one trace from a put to Qdrant, links where many are handled together, nothing of a document in any of them."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from syncline_contracts.errors import InvalidFilter, NotYetIndexed
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_store import open_store, tracing
from syncline_store.engines.protocol import Pos
from syncline_store.store import Store
from syncline_store.testing import WordEmbedder
from syncline_sync_worker.handler import Handler
from syncline_sync_worker.relay import Relay
from syncline_sync_worker.transport.direct import DirectPublisher
from tests.parts.embedders import OutableEmbedder, RefusingEmbedder
from tests.parts.tracing import Spans

NOTES = ("notes",)
PRIVATE = "the fox crossed the frozen lake"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Spans:
    return Spans(monkeypatch)


async def relayed(store: Store) -> None:
    """What is in the outbox goes through relay and handler: direct mode."""
    handler = Handler(await store.parts.indexer(), store.parts.engine.dead_letters, clock=store.parts.clock)
    relay = Relay(store.parts.engine, DirectPublisher(handler), clock=store.parts.clock)
    await relay.drain()


def parent(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def requests(spans: Sequence[ReadableSpan]) -> list[object]:
    return [(span.attributes or {})["syncline.request"] for span in spans]


async def test_inline_one_trace_leads_from_the_put_to_qdrant(spans: Spans) -> None:
    async with open_store("sqlite:///:memory:", index=":memory:", embedder=WordEmbedder()) as store:
        await store.tenant("acme").put(NOTES, "n0", {"text": "the first one opens the index"})
        await store.catch_up()  # the opening has one of its own, which may take an event up a second time
        spans.clear()
        await store.tenant("acme").put(NOTES, "n1", {"text": PRIVATE})
        put = spans.one("syncline.put")
        traced = [span for span in spans.all() if span.context.trace_id == put.context.trace_id]
        index = next(span for span in traced if parent(span) == put.context.span_id)
        assert put.parent is None
        assert index.name == "syncline.index"
        assert [parent(span) for span in traced if span.name == "syncline.embed"] == [index.context.span_id]
        below = [span for span in traced if span.name == "syncline.qdrant"]
        assert {parent(span) for span in below} == {index.context.span_id}
        assert requests(below)[0] == "points"
        assert "upsert" in requests(below)
        assert dict(put.attributes or {}) == {"syncline.tenant": "acme"}


async def test_in_direct_mode_one_trace_leads_from_the_put_to_qdrant(spans: Spans) -> None:
    async with open_store("sqlite:///:memory:", index=":memory:", indexing="relay", embedder=WordEmbedder()) as store:
        await store.tenant("acme").put(NOTES, "n1", {"text": PRIVATE})
        await relayed(store)
        put = spans.one("syncline.put")
        whole = {"syncline.put", "syncline.publish", "syncline.index", "syncline.embed", "syncline.qdrant"}
        assert spans.of_trace(put.context.trace_id) == whole
        spans.clear()
        await store.tenant("acme").delete(NOTES, "n1")
        await relayed(store)
        delete = spans.one("syncline.delete")
        assert spans.of_trace(delete.context.trace_id) == {"syncline.delete", "syncline.publish", "syncline.index", "syncline.qdrant"}


async def test_what_is_handled_together_is_linked_to_each_of_its_writes(spans: Spans) -> None:
    async with open_store("sqlite:///:memory:", index=":memory:", indexing="relay", embedder=WordEmbedder()) as store:
        acme = store.tenant("acme")
        await asyncio.gather(*(acme.put(NOTES, f"n{number}", {"text": f"text {number}"}) for number in range(5)))
        await relayed(store)
        written = {span.context.span_id for span in spans.named("syncline.put")}
        for name in ("syncline.publish", "syncline.index"):
            linked: set[int] = set()
            for span in spans.named(name):
                assert span.parent is None or span.parent.span_id in written
                linked |= {link.context.span_id for link in span.links} | ({span.parent.span_id} if span.parent else set())
            assert linked == written


async def test_what_is_put_together_is_one_trace(spans: Spans) -> None:
    async with open_store("sqlite:///:memory:", index=":memory:", indexing="relay", embedder=WordEmbedder()) as store:
        with spans.tracer.start_as_current_span("the app's own") as own:
            await store.tenant("acme").put_many([(NOTES, f"n{number}", {"text": f"text {number}"}) for number in range(20)])
        await relayed(store)
        assert spans.one("syncline.put_many").context.trace_id == own.get_span_context().trace_id
        assert {span.context.trace_id for span in spans.named("syncline.index")} == {own.get_span_context().trace_id}


async def test_a_search_is_traced_with_its_query_and_its_index(spans: Spans) -> None:
    async with open_store("sqlite:///:memory:", index=":memory:", embedder=WordEmbedder()) as store:
        acme = store.tenant("acme")
        await acme.put(NOTES, "n1", {"text": PRIVATE})
        spans.clear()
        await acme.search(NOTES, query=PRIVATE, filter={"text": PRIVATE})
        search = spans.one("syncline.search")
        assert parent(spans.one("syncline.embed_query")) == search.context.span_id
        await acme.search(NOTES, filter={"text": PRIVATE})
        asked = {span.context.span_id for span in spans.named("syncline.search")}
        assert requests([span for span in spans.named("syncline.qdrant") if parent(span) in asked]) == ["nearest", "filtered"]


async def test_no_span_holds_anything_of_a_document_or_a_query(spans: Spans) -> None:
    """Keys, namespaces, values, queries, filters, and messages of errors, which may hold any of these."""
    async with open_store("sqlite:///:memory:", index=":memory:", embedder=RefusingEmbedder()) as store:
        acme = store.tenant("acme")
        await acme.put(("private-place",), "private-key", {"text": PRIVATE, "kind": "private-kind"})
        with pytest.raises(NotYetIndexed):
            await acme.put(("private-place",), "private-key", {"text": f"POISON {PRIVATE}"})
        await acme.search(("private-place",), query=PRIVATE, filter={"kind": "private-kind"})
        with pytest.raises(InvalidFilter):
            await acme.search(("private-place",), query=PRIVATE, filter={"private-field": object()})
    text = "".join(span.to_json() for span in spans.all())
    assert "private" not in text
    assert "fox" not in text
    failed = [span for span in spans.all() if span.status.status_code is StatusCode.ERROR]
    assert {(span.name, (span.attributes or {})["error.type"]) for span in failed} >= {
        ("syncline.put", "NotYetIndexed"),
        ("syncline.search", "InvalidFilter"),
        ("syncline.embed", "DocumentRefused"),
    }


async def test_a_try_that_failed_and_the_one_that_did_not_are_both_in_the_trace(spans: Spans) -> None:
    embedder = OutableEmbedder()
    async with open_store("sqlite:///:memory:", index=":memory:", embedder=embedder) as store:
        await store.parts.indexer()
        embedder.out = True
        with pytest.raises(NotYetIndexed):
            await store.tenant("acme").put(NOTES, "n1", {"text": PRIVATE})
        embedder.out = False
        await store.catch_up()
        trace_id = spans.one("syncline.put").context.trace_id
        tries = [span for span in spans.named("syncline.index") if span.context.trace_id == trace_id]
        assert tries[0].status.status_code is StatusCode.ERROR
        assert tries[-1].status.status_code is StatusCode.UNSET


async def test_without_a_provider_nothing_is_written_down() -> None:
    async with open_store("sqlite:///:memory:", index=":memory:", indexing="relay", embedder=WordEmbedder()) as store:
        await store.tenant("acme").put(NOTES, "n1", {"text": PRIVATE})
        outbox = store.parts.engine.outbox
        rows = [row for shard in range(outbox.shards) for row in await outbox.read(shard, Pos(0), Pos(2**62), 10)]
        assert [row.event.traceparent for row in rows] == [None]


def test_opentelemetry_is_not_imported_by_the_store() -> None:
    """It takes longer than all the rest."""
    code = (
        "import sys, syncline_store, syncline_store.tracing as t\nwith t.span('x'): print('opentelemetry' in sys.modules, t.traceparent())"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60).stdout == "False None\n"


def event(traceparent: str | None) -> ChangeEvent:
    return ChangeEvent.of(Ref("acme", NOTES, "n"), 1, Kind.WRITE, first_at=1, traceparent=traceparent)


@pytest.mark.parametrize(
    "given", ["", "nonsense", "00-ab-cd-01", f"00-{'0' * 32}-{'1' * 16}-01", f"00-{'g' * 32}-{'1' * 16}-01", f"00-{'1' * 32}-{'1' * 16}"]
)
def test_what_is_no_traceparent_leads_nowhere(spans: Spans, given: str) -> None:
    with tracing.batch_span("x", [event(given), event(None)]):
        pass
    found = spans.one("x")
    assert found.parent is None
    assert found.links == ()


def test_links_are_bounded(spans: Spans) -> None:
    with tracing.batch_span("x", [event(f"00-{number:032x}-{number:016x}-01") for number in range(1, 1_000)]):
        pass
    assert len(spans.one("x").links) == tracing.MOST_LINKS
    assert (spans.one("x").attributes or {})["syncline.events"] == 999


def test_a_traceparent_leads_back_to_its_span(spans: Spans) -> None:
    with tracing.span("x"):
        written = tracing.traceparent()
    with spans.tracer.start_as_current_span("something else"), tracing.batch_span("y", [event(written), event(written)]):
        pass
    assert tracing.trace_id(written) == f"{spans.one('x').context.trace_id:032x}"
    assert parent(spans.one("y")) == spans.one("x").context.span_id
