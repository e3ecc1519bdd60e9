"""Namespaces and ids: injective, in order, and "below a prefix" is a string prefix."""

import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syncline_contracts.identity import SLICES, Ref, decode_namespace, encode_namespace, namespace_prefixes, point_id

awkward = st.one_of(st.text("ab.\x00\x01\x02\x03\x04\x05", min_size=1, max_size=4), st.text(min_size=1, max_size=8))
namespaces = st.lists(awkward, max_size=5).map(tuple)


@given(namespaces)
def test_decoding_gives_back_what_was_encoded(namespace: tuple[str, ...]) -> None:
    assert decode_namespace(encode_namespace(namespace)) == namespace


@given(namespaces, namespaces)
@example(("a.b", "c"), ("a", "b.c"))
@example(("a\x01", "b"), ("a", "\x01b"))
@example(("a\x02\x04",), ("a\x01",))
def test_different_namespaces_have_different_encodings(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert (encode_namespace(one) == encode_namespace(other)) == (one == other)


@given(namespaces, namespaces)
@example(("a",), ("a\x00",))
@example(("a", "z"), ("a\x01",))
@example(("a\x01",), ("a\x02",))
def test_the_encoding_keeps_the_order(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    """As text, and as UTF-8 bytes, which is how SQLite and CQL compare."""
    assert (encode_namespace(one) < encode_namespace(other)) == (one < other)
    assert (utf8(one) < utf8(other)) == (one < other)


def utf8(namespace: tuple[str, ...]) -> bytes:
    return encode_namespace(namespace).encode("utf-8")


@given(namespaces, namespaces)
@example(("user",), ("users",))
@example(("user",), ("user", "a"))
def test_below_a_prefix_is_a_plain_string_prefix(prefix: tuple[str, ...], namespace: tuple[str, ...]) -> None:
    assert encode_namespace(namespace).startswith(encode_namespace(prefix)) == (namespace[: len(prefix)] == prefix)


@given(namespaces)
def test_the_prefixes_of_a_namespace_end_with_itself(namespace: tuple[str, ...]) -> None:
    prefixes = namespace_prefixes(namespace)
    assert [decode_namespace(prefix) for prefix in prefixes] == [namespace[:length] for length in range(1, len(namespace) + 1)]


@pytest.mark.parametrize("text", ["a", "a\x01b", "\x02"])
def test_what_is_no_encoding_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an encoded namespace"):
        decode_namespace(text)


refs = st.builds(Ref, awkward, st.lists(awkward, min_size=1, max_size=3).map(tuple), st.text(max_size=6))


@given(refs, refs)
@example(Ref("a", ("b",), "c"), Ref("a", ("b", "c"), ""))
@example(Ref("a", ("b", "c"), "d"), Ref("a", ("b",), "c\x01d"))
def test_documents_have_one_id_each(one: Ref, other: Ref) -> None:
    assert (one.document == other.document) == (one == other)
    assert one.document.version == 5
    assert 0 <= one.slice < SLICES


def test_ids_are_the_same_for_ever() -> None:
    """They are in every index: a change here orphans all points."""
    ref = Ref("acme", ("users", "u1"), "n1")
    assert ref.document == uuid.UUID("96bfac99-477e-51ba-aae8-74ce866ac23b")
    assert point_id(ref.document, 0) == "7c9af9f4-79ce-57be-a807-e62160ae3ec2"
    assert point_id(ref.document, 7) == "ae072021-fb03-58de-9f8c-8d632970c2fd"


@given(refs, st.integers(0, 1000), st.integers(0, 1000))
def test_passages_have_one_point_each(ref: Ref, one: int, other: int) -> None:
    assert (point_id(ref.document, one) == point_id(ref.document, other)) == (one == other)


@given(st.lists(refs, max_size=6))
def test_refs_sort_in_listing_order(several: list[Ref]) -> None:
    assert sorted(several) == sorted(several, key=lambda ref: (ref.tenant, encode_namespace(ref.namespace), ref.key))
