"""What tracing costs a put, in CPU: without OpenTelemetry, with its API alone, with a provider that samples nothing, and one that samples all.

The store is in memory and nobody indexes, so that a put is as small as it gets. `raw` is the put of a process without OpenTelemetry.
"""

import importlib
import statistics
import time
from collections.abc import Sequence

from syncline_store.testing import open_test_store
from tests.benchmarks.figure import Figure

PUTS = 3_000
ROUNDS = 5


async def bench() -> list[Figure]:
    raw = await _put()
    api = importlib.import_module("opentelemetry.trace")
    figures = [Figure("put, the API alone", await _put(), raw, "µs CPU", better="lower")]
    sdk, sampling, export = (importlib.import_module(f"opentelemetry.sdk.trace{name}") for name in ("", ".sampling", ".export"))
    own = api.get_tracer_provider
    unsampled, sampled = sdk.TracerProvider(sampler=sampling.ALWAYS_OFF), sdk.TracerProvider()

    class Nowhere(export.SpanExporter):  # type: ignore[misc, name-defined]  # a base that is imported late
        def export(self, spans: Sequence[object]) -> object:
            return export.SpanExportResult.SUCCESS

    sampled.add_span_processor(export.BatchSpanProcessor(Nowhere()))
    for name, provider in (("put, a provider that samples nothing", unsampled), ("put, a provider that samples all", sampled)):
        api.get_tracer_provider = lambda provider=provider: provider
        figures.append(Figure(name, await _put(), raw, "µs CPU", better="lower"))
    api.get_tracer_provider = own
    sampled.shutdown()
    return figures


async def _put() -> float:
    """µs of this process's CPU for one put, the median of some rounds."""
    rounds = []
    for _ in range(ROUNDS):
        async with open_test_store(indexing="relay") as store:
            acme = store.tenant("acme")
            await acme.put(("notes",), "first", {})
            started = time.process_time()
            for number in range(PUTS):
                await acme.put(("notes",), f"n{number}", {"text": "some text " * 10})
            rounds.append((time.process_time() - started) / PUTS * 1e6)
    return statistics.median(rounds)
