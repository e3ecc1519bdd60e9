"""Packing a block of payloads says the same as reading them one by one, whatever somebody did to them."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from syncline_contracts.identity import Ref, namespace_prefixes
from syncline_store.index.columns import hash_bytes
from syncline_store.index.points import Field, Mark
from syncline_store.index.scan import MARKS, document_of, pack
from syncline_store.index.state import ref, state

REF = Ref("acme", ("a", "b"), "k")
RIGHT: dict[str, Any] = {
    "document": str(REF.document),
    "tenant": "acme",
    "namespaces": list(namespace_prefixes(("a", "b"))),
    "key": "k",
    "revision": 1_750_000_000_000_000,
    "content_hash": "ab" * 16,
    "model": "m",
    "passage": 1,
    "passages": 2,
    "segment": 77,
    "expires_at": 5,
    "mark": "gone",
}
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(max_size=40),
    st.lists(st.text(max_size=3), max_size=2),
    st.just({}),
    st.sampled_from(
        [
            "live",
            "deleted",
            "AB" * 16,
            "ab" * 15,
            "{" + str(REF.document) + "}",
            str(REF.document).upper(),
            f"{REF.document}\n{REF.document}",
            "ab" * 16 + "\n" + "ab" * 16,
        ]
    ),
)
PAYLOADS = st.builds(lambda damage: {**RIGHT, **damage}, st.dictionaries(st.sampled_from(sorted(RIGHT)), JUNK, max_size=2))
MAY_LACK = st.builds(
    lambda payload, lost: {name: payload[name] for name in payload if name not in lost}, PAYLOADS, st.sets(st.sampled_from(sorted(RIGHT)))
)


@given(payloads=st.lists(PAYLOADS | MAY_LACK | st.just(RIGHT), max_size=5))
def test_a_block_reads_as_its_points_do(payloads: list[dict[str, Any]]) -> None:
    packed = pack([("x", payload) for payload in payloads])
    assert len(packed) == len(packed.refs) == len(packed.models) == len(payloads)
    for place, payload in enumerate(payloads):
        point = state(payload)
        assert document_of(packed.documents[place]) == point.document
        assert packed.content_hashes[place].astype(">u8").tobytes() == hash_bytes(point.content_hash)
        assert packed.revisions[place] == point.revision
        assert packed.expires_at[place] == point.expires_at
        assert packed.passage[place] == np.clip(point.passage, -(2**31), 2**31 - 1)
        assert packed.passages[place] == np.clip(point.passages, -(2**31), 2**31 - 1)
        assert MARKS[packed.marks[place]] is point.mark
        assert packed.models[place] == point.model
        assert packed.refs[place] == ref(payload)


def test_a_point_without_a_payload_is_nobodys() -> None:
    packed = pack([("x", None), ("x", dict(RIGHT))])
    assert packed.refs[:] == [None, REF]
    assert packed.revisions.tolist() == [-1, RIGHT["revision"]]
    assert packed.documents[0].tolist() == [0, 0]
    assert [MARKS[place] for place in packed.marks] == [Mark.LIVE, Mark.GONE]
    assert packed.segments.tolist() == [0, 77]


def test_numbers_beyond_all_bounds_are_kept_within() -> None:
    packed = pack([("x", {**RIGHT, Field.REVISION.value: 2**80, Field.PASSAGE.value: -(2**40), Field.SEGMENT.value: 2**20})])
    assert (packed.revisions[0], packed.passage[0], packed.segments[0]) == (2**63 - 1, -(2**31), 2**15 - 1)
