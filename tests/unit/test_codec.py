"""The event on the wire: what is written is read, what is unknown is ignored, what is no event is refused."""

import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline_contracts.codec import SCHEMA, TYPE, decode, encode
from syncline_contracts.errors import UndecodableEvent, UnsupportedSchema
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.revision import NEVER
from tests.parts.clock import START

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
times = st.integers(0, NEVER)
events = st.builds(
    ChangeEvent,
    id=st.uuids(),
    tenant=words,
    namespace=st.lists(words, min_size=1, max_size=4).map(tuple),
    key=st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    revision=times,
    kind=st.sampled_from(Kind),
    expires_at=times,
    first_at=times,
    expects=st.none() | st.uuids(),
    traceparent=st.none() | st.just("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
)
EVENT = ChangeEvent(id=uuid.UUID(int=5), tenant="acme", namespace=("notes",), key="n1", revision=640, kind=Kind.WRITE, first_at=START)


@given(events)
def test_an_event_survives_the_wire(event: ChangeEvent) -> None:
    assert decode(*encode(event)) == event


@given(events)
def test_a_stored_event_is_the_one_that_was_checked(event: ChangeEvent) -> None:
    again = ChangeEvent.stored(**dict(event))
    assert again == event
    assert again.model_dump_json() == event.model_dump_json()
    assert encode(again.model_copy(update={"revision": 7})) == encode(event.model_copy(update={"revision": 7}))


@given(events)
def test_header_names_are_read_in_any_case(event: ChangeEvent) -> None:
    body, headers = encode(event)
    assert decode(body, {name.upper(): value for name, value in headers.items()}) == event


def test_the_headers_are_cloudevents() -> None:
    body, headers = encode(EVENT.model_copy(update={"traceparent": "00-aa-bb-01"}))
    assert headers == {
        "ce_specversion": "1.0",
        "ce_type": TYPE,
        "ce_source": "/syncline/outbox",
        "ce_id": str(EVENT.id),
        "ce_time": "2025-06-15T15:06:40.000000+00:00",
        "ce_subject": str(EVENT.ref.document),
        "ce_synclineversion": SCHEMA,
        "content-type": "application/json",
        "traceparent": "00-aa-bb-01",
    }
    assert json.loads(body)["revision"] == 640


@given(st.dictionaries(words.filter(lambda name: name not in ChangeEvent.model_fields), st.integers() | words, max_size=4))
def test_unknown_fields_and_headers_are_ignored(more: dict[str, object]) -> None:
    body, headers = encode(EVENT)
    richer = json.dumps({**json.loads(body), **more}).encode()
    assert decode(richer, {**headers, "ce_new": "1"}) == EVENT


def test_a_newer_minor_version_is_read() -> None:
    body, headers = encode(EVENT)
    assert decode(body, {**headers, "ce_synclineversion": "1.7"}) == EVENT
    assert decode(body, {}) == EVENT, "headers are not needed"


@pytest.mark.parametrize("version", ["2.0", "0.9", "2", "10.1"])
def test_an_unknown_major_version_is_refused(version: str) -> None:
    body, headers = encode(EVENT)
    with pytest.raises(UnsupportedSchema, match="upgrade it, then replay"):
        decode(body, {**headers, "ce_synclineversion": version})


@pytest.mark.parametrize("version", ["", "x", "v1", "-1", "²", "1" * 5_000])
def test_a_version_that_is_none_is_garbage(version: str) -> None:
    body, headers = encode(EVENT)
    with pytest.raises(UndecodableEvent) as raised:
        decode(body, {**headers, "ce_synclineversion": version})
    assert not isinstance(raised.value, UnsupportedSchema)


def test_another_type_of_event_is_refused() -> None:
    body, headers = encode(EVENT)
    with pytest.raises(UndecodableEvent, match="another producer"):
        decode(body, {**headers, "ce_type": "com.example.order"})


@given(st.binary(max_size=60))
def test_garbage_is_refused(body: bytes) -> None:
    with pytest.raises(UndecodableEvent):
        decode(body, {})


@pytest.mark.parametrize("field", ["tenant", "namespace", "key", "revision", "kind", "first_at"])
@pytest.mark.parametrize("broken", ["absent", None, {}, -0.5])
def test_a_broken_field_is_named(field: str, broken: object) -> None:
    body, headers = encode(EVENT)
    fields = json.loads(body)
    fields[field] = broken
    if broken == "absent":
        del fields[field]
    with pytest.raises(UndecodableEvent, match=field):
        decode(json.dumps(fields).encode(), headers)


@pytest.mark.parametrize("fields", [{"tenant": ""}, {"namespace": []}])
def test_an_empty_address_is_refused(fields: dict[str, object]) -> None:
    body, headers = encode(EVENT)
    with pytest.raises(UndecodableEvent):
        decode(json.dumps({**json.loads(body), **fields}).encode(), headers)


def test_values_do_not_leak_into_the_message() -> None:
    with pytest.raises(UndecodableEvent) as raised:
        decode(b'{"tenant": 5, "secret": "hunter2"}', {})
    assert "hunter2" not in str(raised.value)
