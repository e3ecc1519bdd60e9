"""The other side of the CQL figures: prepared statements of the driver, sent by callbacks, without asyncio and without Syncline.

The session is set up as ours is (buffers, no delay, consistency), the statements are ours, and the values are what a program written by
hand would bind: a dict becomes JSON text and its hash for each put, and JSON text a dict for each get.
"""

import json
import statistics
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from cassandra.query import BatchStatement, BatchType

from syncline_store.document import content_hash
from syncline_store.engines.cql.statements import documents, outbox
from tests.parts.servers import cql

TENANT = "bench"
BUCKETS = 8
VALUE = 2
"""Where a read has the JSON text."""


class Raw:
    """Sends what it is told to, for as long as it is told to."""

    def __init__(self, keyspace: str, value: dict[str, Any], seconds: float) -> None:
        self.session = cql.admin()
        self._put, self._created, self._event, self._read = (
            self.session.prepare(statement.text.replace("{keyspace}", keyspace))
            for statement in (documents.PUT, documents.CREATED, outbox.INSERT, documents.READ)
        )
        self._value = value
        self._seconds = seconds
        self._minute = time.time_ns() // 60_000_000_000

    # ------------------------------------------------------------------ requests

    def batch(self, count: int, number: int, *, created: bool = False) -> BatchStatement:
        """A logged batch of documents, each with its outbox row; with `created`, with the third statement that our puts have."""
        batch = BatchStatement(BatchType.LOGGED)
        for each in range(count):
            now, key, identifier = time.time_ns() // 1_000, f"raw-{number}-{each}", uuid.uuid4()
            text = json.dumps(self._value, separators=(",", ":"), ensure_ascii=False)
            where = (TENANT, "notes\x01", hash(key) % BUCKETS, key)
            batch.add(self._put.bind((now, 0, now, now, identifier, content_hash(text), "", text, False, 0, *where)))
            if created:
                batch.add(self._created.bind((-now, 0, now, *where)))
            row = (0, self._minute, uuid.uuid1(), identifier, TENANT, "notes\x01", key, now, "write", now, now, None, None, 60)
            batch.add(self._event.bind(row))
        return batch

    def read(self, namespace: str, bucket: int, keys: Sequence[str]) -> Any:
        """A read of some keys of one partition."""
        return self._read.bind((TENANT, namespace, bucket, list(keys)))

    # ------------------------------------------------------------------ rates

    def rate(self, make: Callable[[int], Any], under_way: int) -> float:
        """Requests a second, `under_way` of them at once; each answer sends the next request."""
        started, done = time.perf_counter(), 0
        finished = threading.Semaphore(0)
        lock = threading.Lock()
        failures: list[BaseException] = []

        def send(rows: Sequence[Any] | None = None) -> None:
            nonlocal done
            take(rows)
            if time.perf_counter() - started > self._seconds:
                finished.release()
                return
            with lock:
                done += 1
                number = done
            self.session.execute_async(make(number)).add_callbacks(send, failed)

        def failed(error: BaseException) -> None:
            failures.append(error)
            finished.release()

        for _ in range(under_way):
            send()
        for _ in range(under_way):
            finished.acquire()
        assert not failures, failures[0]
        return done / (time.perf_counter() - started)

    def latency(self, make: Callable[[int], Any]) -> float:
        """The median of one after the other, in ms."""
        times = []
        started = time.perf_counter()
        while (begun := time.perf_counter()) - started < self._seconds:
            self.session.execute(make(len(times)))
            times.append(time.perf_counter() - begun)
        return statistics.median(times) * 1e3

    def rounds(self, make: Callable[[], Sequence[Any]]) -> float:
        """Times a second that all of some requests were sent at once and answered."""
        started, done = time.perf_counter(), 0
        while time.perf_counter() - started < self._seconds:
            for response in [self.session.execute_async(request) for request in make()]:
                take(list(response.result()))
            done += 1
        return done / (time.perf_counter() - started)


def take(rows: Sequence[Any] | None) -> None:
    """The values of a read, as an app wants them."""
    for row in rows or ():
        json.loads(row[VALUE])
