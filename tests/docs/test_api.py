"""The reference can be built, and nothing that an app is given is without a word in it."""

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.api import MODULES, build


def public(module: Any) -> Iterator[tuple[str, Any]]:
    """Classes, functions and methods that are made there."""
    for name, made in inspect.getmembers(module, lambda it: inspect.isclass(it) or inspect.isfunction(it)):
        if name.startswith("_") or made.__module__ != module.__name__:
            continue
        yield f"{module.__name__}.{name}", made
        if inspect.isclass(made):
            for method, body in vars(made).items():
                if not method.startswith("_") and (inspect.isfunction(body) or isinstance(body, property | classmethod)):
                    yield f"{module.__name__}.{name}.{method}", body


@pytest.mark.parametrize("module", MODULES)
def test_all_that_an_app_is_given_is_explained(module: str) -> None:
    without = [name for name, made in public(importlib.import_module(module)) if not inspect.getdoc(made)]
    assert not without


def test_the_reference_is_built(tmp_path: Path) -> None:
    build(tmp_path)
    pages = {str(page.relative_to(tmp_path)) for page in tmp_path.rglob("*.html")}
    assert {f"{module.replace('.', '/')}.html" for module in MODULES} <= pages
    assert "put_many" in (tmp_path / "syncline_store" / "tenant.html").read_text()
