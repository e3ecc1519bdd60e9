"""Closed dead letters end by the server's TTL, and leave nothing in the way of further ones."""

from syncline_contracts.dead_letter import Closed, DeadLetter
from syncline_contracts.identity import Ref
from syncline_contracts.revision import Clock
from syncline_store.engines.cql.dead_letters import CqlDeadLetters
from tests.integration.cql import Opening, ask, keyspace, opening, until

__all__ = ["keyspace", "opening"]

LETTERS = "dead_letters"
OF_DOCUMENTS = "dead_letters_of_documents"
IN_ORDER = "dead_letters_in_order"


def letter(key: str, revision: int = 64) -> DeadLetter:
    ref, at = Ref("acme", ("notes",), key), Clock().now()
    return DeadLetter(
        document=ref.document,
        tenant=ref.tenant,
        namespace=ref.namespace,
        key=key,
        revision=revision,
        payload=b"{}",
        source="inline",
        error="DocumentRefused",
        message="no",
        first_at=at,
        last_at=at,
    )


async def test_what_is_closed_ends_as_a_whole_and_what_is_open_does_not(opening: Opening) -> None:
    engine = await opening()
    letters = CqlDeadLetters(engine._session, Clock(), closed_life=2)
    still_open, closed = letter("open"), {why: letter(why.value) for why in Closed}
    await letters.add([still_open, *closed.values()])
    for why, one in closed.items():
        assert await letters.close([one.id], why) == 1

    async def only_what_is_open() -> bool:
        return [_rows(opening, table) for table in (LETTERS, OF_DOCUMENTS, IN_ORDER)] == [1, 1, 2]

    await until(only_what_is_open)
    assert list((await letters.scan(None, 10, closed=True)).items) == [still_open]
    again = letter(Closed.DISCARDED.value)
    await letters.add([again])
    assert list((await letters.scan(None, 10)).items) == [still_open, again]


async def test_a_letter_opened_in_the_place_of_one_that_ended_stays_its_documents(opening: Opening) -> None:
    """The claim of a discarded letter ends later than the letter: a letter that takes it over is found when its document is mended."""
    engine = await opening()
    letters = CqlDeadLetters(engine._session, Clock(), closed_life=600)
    discarded, again = letter("n1"), letter("n1", revision=128)
    await letters.add([discarded])
    await letters.close([discarded.id], Closed.DISCARDED, "not this one")
    ask(f"DELETE FROM {opening.keyspace}.{LETTERS} WHERE id = %s IF EXISTS", discarded.id)
    assert _claims(opening) == [(discarded.id, True)]
    await letters.add([again])
    assert _claims(opening) == [(discarded.id, False)], "it would end under the open letter"
    assert [found.revision for found in (await letters.scan(None, 10)).items] == [128]
    assert await letters.resolve({again.document: 128} if again.document else {}) == 1


def _rows(opening: Opening, table: str) -> int:
    ((count,),) = ask(f"SELECT count(*) FROM {opening.keyspace}.{table}")
    return int(count)


def _claims(opening: Opening) -> list[tuple[object, bool]]:
    """Each document's letter, and whether that ends."""
    found = ask(f"SELECT letter, ttl(letter) FROM {opening.keyspace}.{OF_DOCUMENTS}")
    return [(owner, ttl is not None) for owner, ttl in found]
