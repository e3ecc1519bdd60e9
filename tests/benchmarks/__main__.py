"""`make bench`: every figure as a ratio to the raw library doing the same in the same run."""

import asyncio
import importlib
import sys

import pytest

from tests.parts.servers.process import NoServerError

PARTS = ("puts", "pipeline", "handler", "reconcile", "cql", "kafka")
"""The last two on real servers, which they start; by name there are also `searchable`, `searchable_stack`, `tracing`, `mixed`, `large`,
`reconcile_killed`, and `reconcile_million`, which takes ten minutes."""


def main(names: list[str]) -> None:
    for name in names or PARTS:
        part = importlib.import_module(f"tests.benchmarks.{name}")
        try:
            for figure in asyncio.run(part.bench()):
                print(figure, flush=True)
        except (NoServerError, pytest.skip.Exception) as error:
            print(f"{name}: not measured, {error}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
