"""A process that knows qdrant-client alone: hold the points of a file (a JSON object a line), print the peak of resident memory in MB."""

import json
import sys
import warnings
from itertools import islice
from pathlib import Path

from qdrant_client import QdrantClient, models

from tests.benchmarks.peak import peak_mb

BATCH = 128


def main(source: str, folder: str, vector: str, dimensions: str) -> None:
    warnings.filterwarnings("ignore", message="Local mode is not recommended")
    client = QdrantClient(path=folder)
    client.create_collection("raw", vectors_config={vector: models.VectorParams(size=int(dimensions), distance=models.Distance.COSINE)})
    with Path(source).open() as lines:
        while batch := [models.PointStruct(**json.loads(line)) for line in islice(lines, BATCH)]:
            client.upsert("raw", batch)
    print(json.dumps(peak_mb()))
    client.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
