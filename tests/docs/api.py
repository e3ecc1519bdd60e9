"""The reference of what apps import, from its docstrings: `make docs`, or `python -m tests.docs.api FOLDER`."""

import sys
import warnings
from pathlib import Path

import pdoc

import syncline_store

MODULES = (
    "syncline_store",
    "syncline_store.tenant",
    "syncline_store.store",
    "syncline_store.document",
    "syncline_store.search.hydrate",
    "syncline_store.health",
    "syncline_store.metrics",
    "syncline_store.prometheus",
    "syncline_store.usage",
    "syncline_store.settings",
    "syncline_store.exported",
    "syncline_store.sync",
    "syncline_store.testing",
    "syncline_store.langgraph",
    "syncline_store.langchain",
    "syncline_contracts.errors",
)


def build(folder: Path) -> None:
    """Write the pages."""
    vars(syncline_store)["Hit"] = syncline_store.Hit  # loaded when it is asked for, which pdoc does not do
    pdoc.render.configure(docformat="markdown", show_source=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Cannot determine where")  # the keys of a TypedDict that was inherited
        pdoc.pdoc(*MODULES, output_directory=folder)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
