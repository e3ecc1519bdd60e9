"""Many documents on both sides, in step, without a store's work: rows by the driver alone, points past the server's REST.

A namespace holds a thousand documents; the first n namespaces are the first n thousand documents, so that one corpus serves all sizes.
"""

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import qdrant_edge as edge
from cassandra.query import BatchStatement, BatchType

from syncline_contracts.identity import Ref
from syncline_contracts.revision import NEVER
from syncline_store import namespace_settings as settings
from syncline_store.document import INDEX_AS_NAMESPACE, Row, canonical, content_hash
from syncline_store.engines.columns import encoded
from syncline_store.engines.cql.partition import bucket, segment
from syncline_store.engines.cql.statements import documents
from syncline_store.engines.cql.statements import namespaces as directory
from syncline_store.engines.protocol import NamespaceSettings
from syncline_store.index.points import VECTOR
from syncline_store.indexing.decide import Content
from syncline_store.indexing.passages import Passage
from syncline_store.indexing.points import living
from tests.parts.embedders import NullEmbedder
from tests.parts.servers import cql

PER_NAMESPACE = 1_000
BUCKETS = 8
DIMENSIONS = 4
START = 1_750_000_000_000_000
"""The first revision, long ago: nothing is in flight."""
EMBEDDER = NullEmbedder(DIMENSIONS)
_TOGETHER = 64
"""Rows of a batch; all are of one partition, so that it needs no log."""
_IN_FLIGHT = 32
_POINTS = 5_000


def refs(namespace: int) -> list[Ref]:
    return [Ref(f"t{namespace % 10}", ("notes", f"n{namespace}"), f"document-{number}") for number in range(PER_NAMESPACE)]


def row(ref: Ref, namespace: int, number: int) -> Row:
    """As a put would leave it."""
    value = canonical({"text": f"the text of {ref.key}", "number": number})
    revision = START + namespace * PER_NAMESPACE + number
    return Row(
        ref=ref,
        revision=revision,
        value=value,
        content_hash=content_hash(value),
        write_id=UUID(int=revision),
        deleted=False,
        index_spec=INDEX_AS_NAMESPACE,
        expires_at=NEVER,
        created_at=revision,
        updated_at=revision,
    )


# ------------------------------------------------------------------ the source


def fill_source(keyspace: str, namespaces: range) -> None:
    """Unlogged batches, each of one partition. What was written before is written again."""
    session = cql.admin()
    put, add = (session.prepare(each.text.replace("{keyspace}", keyspace)) for each in (documents.PUT, directory.ADD))
    room, failures = threading.Semaphore(_IN_FLIGHT), list[BaseException]()

    def failed(error: BaseException) -> None:
        failures.append(error)
        room.release()

    for namespace in namespaces:
        first = refs(namespace)[0]
        session.execute(add, (first.tenant, encoded(first.namespace), BUCKETS, settings.encoded(NamespaceSettings(BUCKETS))))
        for batch in _batches(put, namespace):
            room.acquire()
            session.execute_async(batch, timeout=60).add_callbacks(lambda _: room.release(), failed)
        assert not failures, failures[0]
    for _ in range(_IN_FLIGHT):
        room.acquire()
    assert not failures, failures[0]


def _batches(put: Any, namespace: int) -> Iterator[BatchStatement]:
    buckets: dict[int, list[Row]] = defaultdict(list)
    for number, ref in enumerate(refs(namespace)):
        buckets[bucket(ref.key, BUCKETS)].append(row(ref, namespace, number))
    for place, rows in buckets.items():
        for begin in range(0, len(rows), _TOGETHER):
            batch = BatchStatement(BatchType.UNLOGGED)
            for each in rows[begin : begin + _TOGETHER]:
                batch.add(put.bind(_values(each, place)))
            yield batch


def _values(row: Row, place: int) -> Sequence[Any]:
    what = (row.expires_at, row.updated_at, row.write_id, row.content_hash, row.index_spec, row.value, row.deleted, 0)
    return (row.revision, 0, *what, row.ref.tenant, encoded(row.ref.namespace), place, row.ref.key)


# ------------------------------------------------------------------ the index


def fill_index(shard: Path, namespaces: range) -> None:
    """Into the folder of a stand-in's shard, while its server is down."""
    held = edge.EdgeShard.load(str(shard))
    points: list[Any] = []
    for namespace in namespaces:
        points += _points(namespace)
        if len(points) >= _POINTS or namespace == namespaces[-1]:
            held.update(edge.UpdateOperation.upsert_points(points))
            points = []
    held.close()


def _points(namespace: int) -> Iterator[Any]:
    vectors = np.full((1, DIMENSIONS), DIMENSIONS**-0.5, np.float32)
    for number, ref in enumerate(refs(namespace)):
        place = segment(ref.tenant, encoded(ref.namespace), bucket(ref.key, BUCKETS))
        content = Content(text_hash="0" * 32, passages=[Passage("", 0, 10)], fields={})
        for point in living(ref, row(ref, namespace, number), content, vectors, model=EMBEDDER.model, segment=place):
            yield edge.Point(UUID(point.id), {VECTOR: point.vector.tolist()}, point.payload)
