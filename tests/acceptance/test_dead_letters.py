"""Dead letters: one poison document is set aside, and comes back once it is mended."""

import sqlite3

from syncline_store import open_store
from tests.acceptance.conftest import Cli

DATA = ("--data", "data")


async def poison(cli: Cli) -> None:
    """A row whose index_spec somebody broke by hand: its batch-mates are indexed, it cannot be."""
    folder = cli.folder / "data"
    async with open_store(f"sqlite:///{folder / 'documents.db'}", index=f"path:{folder / 'index'}", indexing="relay") as store:
        await store.tenant("default").put_many([(("notes",), key, {"text": f"about {key}"}) for key in ("good", "poison", "fine")])
    _spec(cli, "no list of paths")


def _spec(cli: Cli, spec: str) -> None:
    with sqlite3.connect(cli.folder / "data" / "documents.db") as database:
        changed = database.execute("UPDATE documents SET index_spec = ? WHERE key = 'poison'", [spec]).rowcount
    database.close()
    assert changed == 1


async def test_a_poison_document_is_set_aside_and_replayed_once_it_is_mended(copied: Cli) -> None:
    await poison(copied)
    found = copied("search", "about", "--namespace", "notes", *DATA, "--json")
    assert {hit["key"] for hit in found.json["hits"]} == {"good", "fine"}
    assert "1 document could not be indexed: syncline dead-letters list --data data" in found.err
    assert copied.ok("status", *DATA)["dead_letters"] == 1

    (letter,) = copied.ok("dead-letters", "list", *DATA)["letters"]
    assert (letter["key"], letter["error"], letter["closed"]) == ("poison", "DocumentRefused", None)
    assert "poison" in copied("dead-letters", "list", *DATA).out
    assert "index_spec" in copied("dead-letters", "show", letter["id"][:6], *DATA).out

    again = copied("dead-letters", "replay", letter["id"][:6], *DATA, "--json")
    assert (again.code, again.json["failed_again"]) == (1, [letter["id"]])

    _spec(copied, "")
    assert copied.ok("dead-letters", "replay", "--all", *DATA)["failed_again"] == []
    assert copied.ok("dead-letters", "list", *DATA)["letters"] == []
    assert copied.ok("dead-letters", "list", "--closed", *DATA)["letters"][0]["closed"] == "resolved"


async def test_a_discarded_letter_keeps_its_reason_and_the_document(copied: Cli) -> None:
    await poison(copied)
    (letter,) = copied.ok("reconcile", "check", *DATA) and copied.ok("dead-letters", "list", *DATA)["letters"]
    neither = copied("dead-letters", "discard", *DATA)
    assert neither.code == 2
    assert "--all" in neither.err
    assert copied.ok("dead-letters", "discard", letter["id"], "--note", "junk", *DATA)["discarded"] == 1
    shown = copied.ok("dead-letters", "show", letter["id"], *DATA)
    assert (shown["closed"], shown["note"]) == ("discarded", "junk")
    unknown = copied("dead-letters", "replay", "ffffffffff", *DATA, "--json")
    assert (unknown.code, unknown.json["error"]["kind"]) == (2, "InvalidInput")
