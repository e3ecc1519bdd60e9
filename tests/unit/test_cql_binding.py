"""Values are encoded as the driver's own `bind` encodes them."""

import uuid
from typing import Any

import pytest
from cassandra.cqltypes import BooleanType, BytesType, Int32Type, ListType, LongType, TimeUUIDType, UTF8Type, UUIDType
from cassandra.protocol import ColumnMetadata
from cassandra.query import UNSET_VALUE, PreparedStatement
from hypothesis import given
from hypothesis import strategies as st

from syncline_store.engines.cql.binding import Prepared

KINDS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (UTF8Type, st.text()),
    (Int32Type, st.integers(-(2**31), 2**31 - 1)),
    (LongType, st.integers(-(2**63), 2**63 - 1)),
    (BooleanType, st.booleans()),
    (BytesType, st.binary()),
    (UUIDType, st.uuids()),
    (TimeUUIDType, st.just(uuid.UUID("c5a0a1a0-0000-11f1-8000-0242ac120002"))),
    (ListType.apply_parameters([UTF8Type]), st.lists(st.text())),
]
OPTIONAL = st.sampled_from([None, UNSET_VALUE])


def prepared(*types: Any, keys: tuple[int, ...] = ()) -> PreparedStatement:
    columns = [ColumnMetadata("ks", "documents", f"c{number}", each) for number, each in enumerate(types)]
    return PreparedStatement(columns, b"id", list(keys), "INSERT", "ks", 5, [], b"")


@given(values=st.tuples(*(OPTIONAL | strategy for _, strategy in KINDS)))
def test_every_kind_of_column_is_encoded_as_the_driver_does(values: tuple[Any, ...]) -> None:
    statement = prepared(*(kind for kind, _ in KINDS))
    assert Prepared(statement).bind(values).values == statement.bind(values).values


def test_what_routes_and_retries_a_request_is_kept() -> None:
    statement = prepared(UTF8Type, UTF8Type, Int32Type, UTF8Type, keys=(0, 1, 2))
    statement.is_idempotent, statement.consistency_level = True, 8
    ours, theirs = (each.bind(("acme", "notes", 3, "key")) for each in (Prepared(statement), statement))
    for name in ("routing_key", "keyspace", "table", "is_idempotent", "consistency_level"):
        assert getattr(ours, name) == getattr(theirs, name), name


@pytest.mark.parametrize(
    ("kind", "value", "error"),
    [
        (Int32Type, 2**31, TypeError),
        (LongType, "one", TypeError),
        (UTF8Type, "half \ud800", UnicodeError),
        (UUIDType, "not one", TypeError),
    ],
)
def test_a_value_that_does_not_fit_is_refused_as_the_driver_does(kind: Any, value: Any, error: type[Exception]) -> None:
    for each in (Prepared(prepared(kind)), prepared(kind)):
        with pytest.raises(error):
            each.bind((value,))


def test_every_column_must_have_its_value() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Prepared(prepared(UTF8Type, UTF8Type)).bind(("one",))
