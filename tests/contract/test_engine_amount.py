"""What every storage engine says of how much a tenant holds."""

from syncline_contracts.revision import NEVER
from syncline_store.document import canonical
from syncline_store.engines.protocol import Amount, Engine, NamespaceSettings
from tests.parts.clock import SECOND, START
from tests.parts.writes import delete, ref, write

SMALL = {"text": "ü"}
BYTES = len(canonical(SMALL).encode())


async def ensure(engine: Engine, *namespaces: tuple[str, ...], tenant: str = "acme", buckets: int = 8) -> None:
    for namespace in namespaces:
        await engine.namespaces.ensure(tenant, namespace, NamespaceSettings(buckets))


async def test_a_tenant_without_documents_holds_nothing(engine: Engine) -> None:
    assert await engine.documents.amount("acme", START) == Amount(0, 0)


async def test_what_is_living_counts_wherever_it_is_and_nothing_else(engine: Engine) -> None:
    await ensure(engine, ("notes",), ("users", "u1"), ("users", "u1", "deep"))
    await ensure(engine, ("notes",), tenant="other")
    living = [ref("n1"), ref("n2"), ref("a", ("users", "u1")), ref("b", ("users", "u1", "deep"))]
    await engine.documents.write([write(each, 640, SMALL) for each in living])
    await engine.documents.write(
        [
            write(ref("expired"), 640, SMALL, expires_at=START - SECOND),
            write(ref("lives"), 640, SMALL, expires_at=START + SECOND),
            write(ref("deleted"), 640, SMALL),
            write(ref("n1", tenant="other"), 640, {"text": "another's"}),
        ]
    )
    await engine.documents.write([delete(ref("deleted"), 1280)])
    assert await engine.documents.amount("acme", START) == Amount(5, 5 * BYTES)
    assert await engine.documents.amount("acme", NEVER - 1) == Amount(4, 4 * BYTES)


async def test_bytes_are_those_of_the_value_in_utf_8_that_is_there_now(engine: Engine) -> None:
    await ensure(engine, ("notes",))
    await engine.documents.write([write(ref(), 640, {"text": "long" * 100})])
    await engine.documents.write([write(ref(), 1280, {"text": "für 猫"})])
    assert await engine.documents.amount("acme", START) == Amount(1, len('{"text":"für 猫"}'.encode()))


async def test_more_than_a_page_of_one_partition(engine: Engine) -> None:
    await ensure(engine, ("notes",), buckets=1)
    await engine.documents.write([write(ref(f"n{number}"), 640 + 64 * number, SMALL) for number in range(250)])
    assert await engine.documents.amount("acme", START) == Amount(250, 250 * BYTES)
