"""The ids of many documents at once are those of their refs."""

from hypothesis import given
from hypothesis import strategies as st

from syncline_contracts.identity import Ref
from syncline_store.engines.columns import document_ids, encoded, pairs

TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\x00\x01\x02"), min_size=1, max_size=12)
REFS = st.lists(st.builds(Ref, TEXT, st.lists(TEXT, min_size=1, max_size=3).map(tuple), TEXT), max_size=8)


@given(refs=REFS)
def test_ids_are_those_of_the_refs(refs: list[Ref]) -> None:
    ids = document_ids([ref.tenant for ref in refs], [encoded(ref.namespace) for ref in refs], [ref.key for ref in refs])
    assert ids.tolist() == pairs([ref.document.bytes for ref in refs]).tolist()
