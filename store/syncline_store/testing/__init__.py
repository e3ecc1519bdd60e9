"""What users import for their own tests: a whole store in memory, with an embedder that needs no model.

    from syncline_store.testing import open_test_store

    async def test_a_note_is_found():
        async with open_test_store() as store:
            notes = store.tenant("acme")
            await notes.put(("notes",), "n1", {"text": "the cat sat on the mat"})
            (hit,) = await notes.search(("notes",), query="cat on a mat", limit=1)
            assert hit.key == "n1"

Everything else is the real thing: SQLite, Qdrant's local mode, the indexer. Opening one takes milliseconds after the first.
"""

from syncline_store.testing.embedder import WordEmbedder
from syncline_store.testing.store import open_test_store

__all__ = ["WordEmbedder", "open_test_store"]
