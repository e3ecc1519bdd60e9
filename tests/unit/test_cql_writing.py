"""What becomes of writes when servers fail some of them, and small parts of the engine."""

import itertools

import cassandra
import pytest
from cassandra import ConsistencyLevel, WriteType
from cassandra.query import BatchType
from hypothesis import given
from hypothesis import strategies as st

from syncline_contracts.errors import ConfigurationError, StorageUnavailable, SynclineError
from syncline_store.engines.cql.bounded import Bounded
from syncline_store.engines.cql.errors import translated
from syncline_store.engines.cql.partition import ranges, tokens
from syncline_store.engines.cql.writing import NothingDone, Result, _batch, _failed, _outcomes, _size, life_of
from syncline_store.engines.protocol import Refused, Stored, Unknown
from tests.parts.writes import ref, write

QUORUM = ConsistencyLevel.LOCAL_QUORUM
TURNED_AWAY = cassandra.Unavailable("too few", QUORUM, required_replicas=2, alive_replicas=1)


def raised(cause: Exception) -> SynclineError:
    """As the session raises it."""
    found = translated(cause, "cql://db/app")
    assert found is not None
    found.__cause__ = cause
    return found


@pytest.mark.parametrize(
    ("cause", "becomes"),
    [
        (TURNED_AWAY, NothingDone),
        (cassandra.Unauthorized("no"), NothingDone),
        (cassandra.WriteTimeout("slow", write_type=WriteType.BATCH_LOG, consistency=QUORUM), Unknown),
        (cassandra.WriteTimeout("slow", write_type=WriteType.UNLOGGED_BATCH, consistency=QUORUM), Unknown),
        (cassandra.WriteFailure("failed", WriteType.BATCH, consistency=QUORUM), Unknown),
        (cassandra.OperationTimedOut(), Unknown),
        (OSError("reset"), Unknown),
        (cassandra.InvalidRequest("Key length of 70000 is longer than maximum of 65535"), Refused),
    ],
)
def test_each_failure_says_what_is_known_of_the_write(cause: Exception, becomes: type[Result]) -> None:
    assert type(_failed(raised(cause), write(ref(), 64))) is becomes


def test_an_error_is_raised_only_where_certainly_nothing_landed() -> None:
    away = NothingDone(StorageUnavailable("down"))
    with pytest.raises(StorageUnavailable, match="down"):
        _outcomes([away, away])
    assert _outcomes([]) == []
    refused = Refused(ConfigurationError("no"))
    assert _outcomes([away, Stored(), refused]) == [Unknown("down"), Stored(), refused]


def test_a_size_is_never_below_the_bytes_of_the_value() -> None:
    for text in ("x" * 1_000, "ü" * 1_000, "\U0001f600" * 1_000):
        assert _size(write(ref(), 64, {"text": text})) > len(text.encode())


@pytest.mark.parametrize(
    ("ttl", "life"), [(None, 0), (1, 1), (3_600, 3_600), (2**31 - 2 - 1_000_000, 2**31 - 2 - 1_000_000), (2**31 - 1_000_000, 0)]
)
def test_a_life_that_the_servers_cannot_count_has_no_ttl(ttl: int | None, life: int) -> None:
    assert life_of(write(ref(), 64, ttl=ttl), 1_000_000) == life


@given(first=st.integers(0, 4095), length=st.integers(0, 4095), count=st.integers(1, 64))
def test_ranges_cover_their_segments_once(first: int, length: int, count: int) -> None:
    last = min(4095, first + length)
    parts = ranges(first, last, count)
    assert [segment for start, end in parts for segment in range(start, end + 1)] == list(range(first, last + 1))
    assert len(parts) <= count


def test_segments_cover_the_ring_once() -> None:
    bounds = [tokens(segment, segment) for segment in range(4096)]
    assert (bounds[0][0], bounds[-1][1]) == (-(2**63), 2**63 - 1)
    assert all(before[1] + 1 == after[0] for before, after in itertools.pairwise(bounds))


def test_what_is_remembered_is_bounded() -> None:
    known: Bounded[int, int] = Bounded(3)
    for number in (1, 2, 3, 1, 4):
        known.put(number, 10 * number)
    assert [known.get(number) for number in (1, 2, 3, 4)] == [10, None, 30, 40]


def test_a_batch_is_routed_by_its_documents() -> None:
    assert _batch(BatchType.LOGGED).table == "documents"
