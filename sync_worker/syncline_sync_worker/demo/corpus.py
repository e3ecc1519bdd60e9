"""Real text that every machine with Python has: the language reference, and the standard library's own words."""

import ast
import sysconfig
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from syncline_sync_worker.imports import Item

FIELDS = ("title", "text")
TOPICS = ("python", "topics")
LIBRARY = ("python", "library")
_LEFT_OUT = frozenset({"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "pydoc_data", "turtledemo", "encodings"})
_TOO_SHORT = 80
"""Characters below which a docstring says nothing that one could search for."""


def corpus() -> Iterator[Item]:
    """Yield the topics of the language reference, then the docstrings of modules, public classes and functions.

    Nothing of the library is imported or run: its source is parsed. A Python without its source has the topics alone.
    """
    yield from topics()
    yield from library(Path(sysconfig.get_path("stdlib")))


def topics() -> Iterator[Item]:
    """Yield what ``help("lambda")`` and its like print, a document each."""
    try:
        texts: dict[str, str] = import_module("pydoc_data.topics").topics
    except ImportError:  # some distributions split it off
        return
    for name, text in sorted(texts.items()):
        title = text.strip().partition("\n")[0]
        yield _item(TOPICS, name, title, text, kind="topic")


def library(root: Path) -> Iterator[Item]:
    """Yield the docstrings below a folder of source files: a module, class or function a document."""
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if not any(part in _LEFT_OUT or (part.startswith("_") and part != "__init__") or "-" in part for part in parts):
            yield from _module(path, ".".join(part for part in parts if part != "__init__"))


def _module(path: Path, module: str) -> Iterator[Item]:
    tree = _parsed(path)
    if tree is None:
        return
    for node in (tree, *tree.body):
        if isinstance(node, ast.Module):
            yield from _documented(node, module, module, "module")
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _documented(node, f"{module}.{node.name}", module, "class")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield from _documented(node, f"{module}.{node.name}", module, "function")


def _parsed(path: Path) -> ast.Module | None:
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError):  # a template, a file of another Python
        return None


def _documented(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, name: str, module: str, kind: str
) -> Iterator[Item]:
    text = ast.get_docstring(node)
    if text is not None and len(text) >= _TOO_SHORT:
        yield _item(LIBRARY, name, name, text, kind=kind, module=module)


def _item(namespace: tuple[str, ...], key: str, title: str, text: str, **about: str) -> Item:
    return Item(namespace, key, {"title": title, "text": text, **about}, f"python:{key}", FIELDS)
