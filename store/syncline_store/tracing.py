"""Spans by the OpenTelemetry API, where this process has a tracer provider; nothing at all where it has none.

The API is not imported here (it takes 0.1 to 0.2 s): who sets a provider has imported it, and it is found among the loaded modules.
A span says what was done, how much of it, and how it ended. It carries no key, no value, no text, no query, no filter and no error's
message, since any of these may hold what is nobody else's business.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from syncline_contracts.event import ChangeEvent

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, SpanContext, Tracer, TracerProvider

SCOPE = "syncline"
MOST_LINKS = 128
"""Of one span: what OpenTelemetry's SDK keeps by default."""
_PARTS = (2, 32, 16, 2)
"""Hex digits of a traceparent's version, trace, span and flags."""
_NOTHING = nullcontext()

Attribute = str | int | float | bool
_last: "tuple[TracerProvider, Tracer] | None" = None


def span(name: str, **attributes: Attribute) -> AbstractContextManager[None]:
    """A span around what is done here, below the one that is under way; an error that passes through marks it by its class's name.

    The attributes are called ``syncline.<name>``.
    """
    tracer = _tracer()
    return _NOTHING if tracer is None else _started(tracer, name, _named(attributes), None, ())


def batch_span(name: str, events: Sequence[ChangeEvent], **attributes: Attribute) -> AbstractContextManager[None]:
    """A span around what is done for these events together.

    Events of one trace have it in that trace, as a child of the write; events of several have it in a trace of its own, linked to the
    writes (the first MOST_LINKS). Whatever else is under way in this task is no parent: whoever gathers a batch does so for all.
    """
    tracer = _tracer()
    if tracer is None:
        return _NOTHING
    written = [context for given in dict.fromkeys(event.traceparent for event in events) if (context := _parsed(given)) is not None]
    attributes["events"] = len(events)
    alone = len(written) == 1
    links = () if alone else [_api().Link(context) for context in written[:MOST_LINKS]]
    return _started(tracer, name, _named(attributes), _within(written[0] if alone else None), links)


def traceparent() -> str | None:
    """What leads from here to the span under way, as a W3C `traceparent`; None without one."""
    if _tracer() is None:
        return None
    here: SpanContext = _api().get_current_span().get_span_context()
    return f"00-{here.trace_id:032x}-{here.span_id:016x}-{here.trace_flags:02x}" if here.is_valid else None


def trace_id(given: str | None) -> str | None:
    """The trace's id in a W3C `traceparent`: 32 hex digits, None for what is none."""
    parts = (given or "").split("-")
    return parts[1] if [len(part) for part in parts[:4]] == list(_PARTS) else None


@contextmanager
def _started(
    tracer: "Tracer", name: str, attributes: dict[str, Attribute], context: "Context | None", links: "Sequence[Link]"
) -> Iterator[None]:
    api = _api()
    with tracer.start_as_current_span(
        name, context, attributes=attributes, links=links, record_exception=False, set_status_on_exception=False
    ) as under_way:
        try:
            yield
        except BaseException as error:
            under_way.set_attribute("error.type", type(error).__name__)
            under_way.set_status(api.StatusCode.ERROR)
            raise


def _named(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    return {f"syncline.{name}": value for name, value in attributes.items()}


def _api() -> Any:
    return sys.modules["opentelemetry.trace"]


def _tracer() -> "Tracer | None":
    """The provider's tracer. Tests and applications may set it at any time: it is looked for at every span, which takes about 1 µs."""
    global _last  # noqa: PLW0603 - a memory of one, changed in one step
    api: Any = sys.modules.get("opentelemetry.trace")
    if api is None:
        return None
    provider = api.get_tracer_provider()
    if isinstance(provider, api.ProxyTracerProvider):
        return None
    if _last is None or _last[0] is not provider:
        _last = provider, provider.get_tracer(SCOPE)
    return _last[1]


def _within(parent: "SpanContext | None") -> "Context":
    """The context of another process's span; without one, that of no span."""
    api = _api()
    context: Context = api.set_span_in_context(api.NonRecordingSpan(parent) if parent else api.INVALID_SPAN, _empty())
    return context


def _empty() -> "Context":
    context: Context = sys.modules["opentelemetry.context"].Context()
    return context


def _parsed(given: str | None) -> "SpanContext | None":
    """Whoever wrote the event may have put anything there: what is no traceparent leads nowhere."""
    if trace_id(given) is None:
        return None
    api = _api()
    _, trace, parent, flags = (given or "").split("-")[:4]
    try:
        found: SpanContext = api.SpanContext(int(trace, 16), int(parent, 16), is_remote=True, trace_flags=api.TraceFlags(int(flags, 16)))
    except ValueError:
        return None
    return found if found.is_valid else None
