"""What a conditional write's answer and the row read back come to, and in which order it is done (docs/protocol.md)."""

from typing import Any

import pytest

pytest.importorskip("cassandra")

from cassandra import OperationTimedOut, Unavailable, WriteTimeout, WriteType

from syncline_contracts.errors import StorageUnavailable
from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_contracts.revision import NEVER
from syncline_store.document import Row, Write, content_hash
from syncline_store.engines.cql.conditional import Conditional
from syncline_store.engines.cql.session import Statement
from syncline_store.engines.protocol import ConditionalOutcome, Lost, Overtaken, Shadowed, Unknown, Won

REF = Ref("t", ("n",), "k")


def write(revision: int, *, ttl: int | None = None) -> Write:
    return Write("{}", content_hash("{}"), "", ChangeEvent.of(REF, revision, Kind.WRITE, first_at=revision), ttl)


def stored(write: Write, revision: int) -> Row:
    return Row(
        REF, revision, "{}", content_hash("{}"), write.event.id, deleted=False, index_spec="", expires_at=NEVER, created_at=1, updated_at=1
    )


EXPECTED, OURS, OTHER = write(1), write(2), write(3)
THERE = stored(EXPECTED, 1)


class Servers:
    """Session, namespaces, outbox and writing in one: it notes what it is asked, and answers as it was told."""

    name = "servers"

    def __init__(self, answer: Any, row: Row | Exception | None) -> None:
        self.settings = self
        self._answer = answer
        self._row = row
        self.asked: list[str] = []
        self.events: list[ChangeEvent] = []

    def known_buckets(self, *_: object) -> int:
        return 8

    async def where(self, _: Write) -> tuple[str, str, int, str]:
        return "t", "n", 0, "k"

    async def prepared(self, _: Statement) -> Any:
        return self

    def bind(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        return values

    async def append(self, events: list[ChangeEvent]) -> None:
        self.asked += [event.kind.value for event in events]
        self.events += events

    async def execute(self, _: object) -> list[Any]:
        self.asked.append("write")
        if isinstance(self._answer, Exception):
            raise StorageUnavailable("no answer") from self._answer
        return [self._answer]

    async def run(self, statement: Statement, *_: object) -> list[Any]:
        if not statement.text.startswith("SELECT"):
            self.asked.append("created")
            return []
        self.asked.append("serial read" if statement.serial else "read")
        if isinstance(self._row, Exception):
            raise self._row
        row = self._row
        return [] if row is None else [(row.ref.key, *row[1:])]

    async def outcome(self, expected: Row | None = THERE, ours: Write = OURS) -> ConditionalOutcome:
        any_of_them: Any = self
        return await Conditional(any_of_them, any_of_them, any_of_them, any_of_them).write(ours, expected)


@pytest.mark.parametrize(
    ("answer", "row", "outcome"),
    [
        ((True,), stored(OURS, 9), Won(stored(OURS, 9))),
        ((True,), stored(OTHER, 9), Overtaken(stored(OTHER, 9))),
        ((True,), None, Overtaken(None)),
        ((False, OTHER.event.id), stored(OTHER, 9), Lost(stored(OTHER, 9))),
        ((False, None), None, Lost(None)),
        # An earlier attempt had landed, and its answer was lost.
        ((False, OURS.event.id), stored(OURS, 9), Won(stored(OURS, 9))),
        ((False, OURS.event.id), stored(OTHER, 9), Overtaken(stored(OTHER, 9))),
        # ScyllaDB shows the old row of what was applied, too.
        ((True, EXPECTED.event.id), stored(OURS, 9), Won(stored(OURS, 9))),
        (OperationTimedOut(), stored(OURS, 9), Won(stored(OURS, 9))),
    ],
)
async def test_applied_refused_and_superseded_are_told_apart(answer: Any, row: Row | None, outcome: ConditionalOutcome) -> None:
    assert await Servers(answer, row).outcome() == outcome


@pytest.mark.parametrize("row", [THERE, stored(OTHER, 9), None])
@pytest.mark.parametrize("lost", [OperationTimedOut(), WriteTimeout("x", write_type=WriteType.CAS)])
async def test_a_lost_answer_is_in_doubt_unless_ours_is_there(lost: Exception, row: Row | None) -> None:
    assert isinstance(await Servers(lost, row).outcome(), Unknown)


async def test_a_row_from_the_future_stays_and_is_no_success() -> None:
    assert isinstance(await Servers((True,), THERE).outcome(), Shadowed)
    assert isinstance(await Servers((True,), None).outcome(expected=None), Shadowed)


async def test_what_may_have_expired_since_was_written() -> None:
    assert await Servers((True,), None).outcome(None, write(2, ttl=1)) == Overtaken(None)


async def test_the_intent_comes_first_and_names_what_is_expected_and_a_serial_read_tells() -> None:
    servers = Servers((True,), stored(OURS, 9))
    await servers.outcome()
    assert servers.asked[:3] == ["intent", "write", "serial read"]
    assert sorted(servers.asked[3:]) == ["created", "settled"]
    intent, settled = servers.events
    assert (intent.id, intent.expects) == (OURS.event.id, EXPECTED.event.id)
    assert (settled.id, settled.revision) == (OURS.event.id, 9)


async def test_what_did_not_win_is_not_settled() -> None:
    servers = Servers((False, None), None)
    await servers.outcome()
    assert servers.asked == ["intent", "write", "serial read"]


async def test_what_certainly_did_nothing_is_raised() -> None:
    with pytest.raises(StorageUnavailable):
        await Servers(Unavailable("x"), THERE).outcome()
    with pytest.raises(StorageUnavailable):
        await Servers((False, OTHER.event.id), StorageUnavailable("away")).outcome()
    assert isinstance(await Servers((True,), StorageUnavailable("away")).outcome(), Unknown)
