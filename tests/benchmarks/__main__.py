"""`make bench`: every figure as a ratio to the raw library doing the same in the same run."""

import asyncio
import importlib
import sys

PARTS = ("puts", "pipeline", "reconcile")


def main(names: list[str]) -> None:
    for name in names or PARTS:
        part = importlib.import_module(f"tests.benchmarks.{name}")
        for figure in asyncio.run(part.bench()):
            print(figure, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
