"""LangGraph's store interface, on every kind of store: items, batches, namespaces."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from langgraph.store.base import GetOp, InvalidNamespaceError, Item, ListNamespacesOp, MatchCondition, Op, PutOp, SearchItem, SearchOp

from syncline_contracts.errors import InvalidDocument
from tests.parts.langgraph import FACES, Face, open_face


@pytest.fixture(params=FACES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Face]:
    async with open_face(request.param, tmp_path) as face:
        await face.abatch([])
        yield face


async def found(store: Face, prefix: tuple[str, ...] = (), **asked: object) -> set[tuple[str, ...]]:
    return {item.namespace for item in await store.asearch(prefix, limit=100, **asked)}  # type: ignore[arg-type] # filter or query


# ---------------------------------------------------------------------- items


async def test_an_item_is_what_was_put_and_knows_its_times(store: Face) -> None:
    await store.aput(("users", "u1"), "likes", {"food": "plums", "n": 1, "deep": {"list": [1, None, True, "ü"]}})
    first = await store.aget(("users", "u1"), "likes")
    assert isinstance(first, Item)
    assert (first.namespace, first.key) == (("users", "u1"), "likes")
    assert first.value == {"food": "plums", "n": 1, "deep": {"list": [1, None, True, "ü"]}}
    assert first.created_at == first.updated_at
    assert first.created_at.tzinfo is not None
    await store.aput(("users", "u1"), "likes", {"food": "pears"})
    second = await store.aget(("users", "u1"), "likes")
    assert second is not None
    assert second.value == {"food": "pears"}
    assert second.created_at == first.created_at
    assert second.updated_at > first.updated_at


async def test_what_is_not_there_is_none_and_deleting_it_does_nothing(store: Face) -> None:
    await store.adelete(("a",), "nothing")
    assert await store.aget(("a",), "nothing") is None
    assert await store.asearch(("a",)) == []
    assert await store.alist_namespaces() == []


async def test_a_values_own_key_namespace_tenant_or_revision_changes_nothing(store: Face) -> None:
    value = {"key": "other", "namespace": ["x"], "tenant": "else", "revision": -1, "score": 7, "expires_at": 0, "mark": "gone"}
    await store.aput(("a",), "k", value)
    item = await store.aget(("a",), "k")
    assert item is not None
    assert (item.namespace, item.key, item.value) == (("a",), "k", value)
    (hit,) = await store.asearch((), filter={"tenant": "else", "key": "other"})
    assert (hit.namespace, hit.key, hit.value) == (("a",), "k", value)


@pytest.mark.parametrize("namespace", [(), ("a.b",), ("a", ""), ("langgraph", "a"), ("a", 1)])
async def test_namespaces_that_langgraph_refuses_are_refused(store: Face, namespace: tuple[str, ...]) -> None:
    with pytest.raises(InvalidNamespaceError):
        await store.aput(namespace, "k", {})
    assert await store.asearch(()) == []


async def test_the_reserved_root_is_open_to_batches_and_below_the_root(store: Face) -> None:
    await store.abatch([PutOp(("langgraph", "a"), "k", {"n": 1})])
    await store.aput(("a", "langgraph"), "k", {"n": 2})
    assert await found(store) == {("langgraph", "a"), ("a", "langgraph")}


# ---------------------------------------------------------------------- batches


async def test_results_stand_where_their_operations_do_and_reads_come_before_writes(store: Face) -> None:
    await store.aput(("t", "one"), "k1", {"n": 1})
    await store.aput(("t", "two"), "k2", {"n": 2})
    read, written, searched, listed, missing, same = await store.abatch(
        [
            GetOp(("t", "one"), "k1"),
            PutOp(("t", "three"), "k3", {"n": 3}),
            SearchOp(("t",), filter={"n": {"$gte": 1}}),
            ListNamespacesOp(),
            GetOp(("t", "three"), "k3"),
            GetOp(("t", "one"), "k1"),
        ]
    )
    assert isinstance(read, Item)
    assert read.value == {"n": 1}
    assert same == read
    assert written is None
    assert isinstance(searched, list)
    assert {item.key for item in searched if isinstance(item, SearchItem)} == {"k1", "k2"}
    assert listed == [("t", "one"), ("t", "two")]
    assert missing is None
    later = await store.aget(("t", "three"), "k3")
    assert later is not None
    assert later.value == {"n": 3}


async def test_of_several_writes_to_one_document_the_last_wins(store: Face) -> None:
    await store.abatch([PutOp(("a",), "k", {"n": n}) for n in range(5)] + [PutOp(("a",), "gone", {"n": 0}), PutOp(("a",), "gone", None)])
    await store.abatch([PutOp(("a",), "back", None), PutOp(("a",), "back", {"n": 1})])
    assert {(item.key, item.value["n"]) for item in await store.asearch(("a",))} == {("k", 4), ("back", 1)}


async def test_put_none_deletes(store: Face) -> None:
    await store.aput(("a",), "k", {"n": 1})
    assert await store.abatch([PutOp(("a",), "k", None), PutOp(("a",), "never", None)]) == [None, None]
    assert await store.asearch(("a",)) == []


async def test_writes_land_in_the_order_of_the_calls_also_when_nobody_waits(store: Face) -> None:
    for _ in range(3):
        await asyncio.gather(
            *[store.aput(("a",), f"k{n}", {"round": 1}) for n in range(20)],
            *[store.adelete(("a",), f"k{n}") for n in range(20)],
            *[store.aput(("a",), f"k{n}", {"round": 2}) for n in range(10)],
        )
        items = await store.asearch(("a",), limit=100)
        assert {(item.key, item.value["round"]) for item in items} == {(f"k{n}", 2) for n in range(10)}


@pytest.mark.parametrize(
    "op",
    [
        GetOp(("a.b",), "k"),
        PutOp(("a.b",), "k", {}),
        PutOp(("a", ""), "k", None),
        SearchOp(("a.b",)),
        ListNamespacesOp((MatchCondition("prefix", ("a.b",)),)),
    ],
    ids=lambda op: type(op).__name__,
)
async def test_a_batch_with_a_wrong_namespace_does_nothing(store: Face, op: Op) -> None:
    with pytest.raises(InvalidNamespaceError):
        await store.abatch([PutOp(("valid",), "k", {}), op])
    assert await store.aget(("valid",), "k") is None


async def test_an_unknown_operation_is_refused(store: Face) -> None:
    with pytest.raises(ValueError, match="Unknown operation"):
        await store.abatch([("what", "is", "this")])  # type: ignore[list-item] # on purpose


async def test_one_callers_mistake_is_nobody_elses(store: Face) -> None:
    good = [store.aput(("a",), f"k{n}", {"n": n}) for n in range(20)]
    outcomes = await asyncio.gather(*good[:10], store.aput(("a",), "bad", {"n": float("nan")}), *good[10:], return_exceptions=True)
    assert isinstance(outcomes[10], InvalidDocument)
    assert [outcome for outcome in outcomes if outcome is not None] == [outcomes[10]]
    assert len(await store.asearch(("a",), limit=100)) == 20


async def test_a_hundred_clients_at_once(store: Face) -> None:
    async def client(number: int) -> list[object]:
        namespace = ("clients", str(number))
        await store.aput(namespace, "k", {"number": number})
        item = await store.aget(namespace, "k")
        items = await store.asearch(namespace, filter={"number": number})
        return [None if item is None else item.value["number"], *[found.value["number"] for found in items]]

    assert await asyncio.gather(*[client(number) for number in range(100)]) == [[number, number] for number in range(100)]


# ---------------------------------------------------------------------- namespaces

TREE = [
    ("a", "b", "c"),
    ("a", "b", "d", "e"),
    ("a", "b", "d", "i"),
    ("a", "c", "f"),
    ("b", "a", "f"),
    ("users",),
    ("users", "1"),
    ("user", "1"),
]


@pytest.fixture
async def tree(store: Face) -> Face:
    await store.abatch([PutOp(namespace, "k", {"n": 1}) for namespace in TREE])
    return store


@pytest.mark.parametrize(
    ("prefix", "suffix", "expected"),
    [
        (None, None, sorted(TREE)),
        (("a", "b"), None, [("a", "b", "c"), ("a", "b", "d", "e"), ("a", "b", "d", "i")]),
        (None, ("f",), [("a", "c", "f"), ("b", "a", "f")]),
        (("a",), ("f",), [("a", "c", "f")]),
        (("a", "*", "d"), None, [("a", "b", "d", "e"), ("a", "b", "d", "i")]),
        (("*", "a"), None, [("b", "a", "f")]),
        (None, ("*", "f"), [("a", "c", "f"), ("b", "a", "f")]),
        (("user",), None, [("user", "1")]),
        (("users",), None, [("users",), ("users", "1")]),
        (("users", "*"), None, [("users", "1")]),
        (("nobody",), None, []),
    ],
)
async def test_listing_by_beginning_end_and_wildcard(
    tree: Face, prefix: tuple[str, ...] | None, suffix: tuple[str, ...] | None, expected: list[tuple[str, ...]]
) -> None:
    assert await tree.alist_namespaces(prefix=prefix, suffix=suffix) == expected


async def test_listing_to_a_depth_counts_each_once_and_pages(tree: Face) -> None:
    assert await tree.alist_namespaces(max_depth=1) == [("a",), ("b",), ("user",), ("users",)]
    assert await tree.alist_namespaces(prefix=("a",), max_depth=2) == [("a", "b"), ("a", "c")]
    assert await tree.alist_namespaces(max_depth=1, limit=2) == [("a",), ("b",)]
    assert await tree.alist_namespaces(max_depth=1, limit=2, offset=1) == [("b",), ("user",)]
    assert await tree.alist_namespaces(offset=6) == sorted(TREE)[6:]
    assert await tree.alist_namespaces(limit=0) == []


async def test_a_namespace_ends_with_its_last_item(tree: Face) -> None:
    await tree.adelete(("users",), "k")
    await tree.adelete(("a", "b", "c"), "k")
    assert await tree.alist_namespaces(prefix=("users",)) == [("users", "1")]
    assert ("a", "b", "c") not in await tree.alist_namespaces()


async def test_what_looks_like_a_pattern_is_a_name(store: Face) -> None:
    pairs = [
        ("star*", "starX"),
        ("q?m", "qXm"),
        ("user_1", "userX1"),
        ("a%b", "axxb"),
        ("alice", "alice\n"),
        ("Foo", "foo"),
        ("na/me", "na"),
    ]
    await store.abatch([PutOp(path, "k", {}) for label, decoy in pairs for path in ((label,), (label, "below"), (decoy,))])
    for label, _ in pairs:
        assert await store.alist_namespaces(prefix=(label,)) == [(label,), (label, "below")]
        assert await found(store, (label,)) == {(label,), (label, "below")}


async def test_many_namespaces_are_listed_by_pages_without_a_gap(store: Face) -> None:
    await store.abatch([PutOp(("many", f"{n:04}"), "k", {}) for n in range(120)])
    pages = [await store.alist_namespaces(prefix=("many",), limit=50, offset=offset) for offset in (0, 50, 100)]
    assert [namespace for page in pages for namespace in page] == [("many", f"{n:04}") for n in range(120)]
