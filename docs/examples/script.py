"""A plain script: no event loop, no framework.

pip install syncline-store
python script.py
"""

import tempfile
from pathlib import Path

from syncline_store import Put
from syncline_store.sync import open_store

NOTES = {
    "n1": "The cat slept in the sun all afternoon.",
    "n2": "Invoices are due on the last day of the month.",
    "n3": "The kitten chased its own tail.",
}


def main(folder: Path) -> None:
    """Write, search, list."""
    with open_store(f"sqlite:///{folder / 'notes.db'}", index=f"path:{folder / 'index'}") as store:
        acme = store.tenant("acme")
        acme.put_many(Put(("notes", "ann"), key, {"text": text, "words": len(text.split())}) for key, text in NOTES.items())
        for hit in acme.search(("notes",), query="young cats", limit=2):
            print(f"{hit.score:.2f} {hit.key}: {hit.passage}")
        long = acme.search(("notes",), filter={"words": {"$gte": 8}})
        print("long:", sorted(hit.key for hit in long))
        acme.delete(("notes", "ann"), "n2")
        print("left:", [document.key for document in acme.documents(("notes",))])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(Path(folder))
