"""Is a key's history linearizable? A search over the orders in which its operations may have taken effect (Wing and Gong), which
remembers what it has tried (Lowe).

The register holds a state: a revision, and the value's name (None: deleted). A read shows it, a plain put takes it to the greater of the
two revisions, whichever comes later: that is what last write wins means where clocks differ. A conditional write looks at its
condition and takes effect, which no other one does in between; whether a plain put may come in between is for `apart` to say: in CQL it
may, in a transaction not.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

Kind = Literal["read", "put", "if"]
Outcome = Literal["applied", "refused", "superseded", "unknown"]


class State(NamedTuple):
    revision: float
    value: str | None


NOTHING = State(0, None)


@dataclass(frozen=True)
class Op:
    """What one client did between two moments; `end` is infinite where it never heard the answer.

    `value` names what it wrote (None: it deleted). `seen`: the living document that it was shown. `expects`: a conditional write's
    condition: a revision, a value, or None for no document.
    """

    kind: Kind
    begin: float
    end: float = math.inf
    value: str | None = None
    revision: float | None = None
    outcome: Outcome | None = None
    expects: int | str | None = None
    seen: State | None = None

    def holds(self, state: State) -> bool:
        if self.expects is None:
            return state.value is None
        return state.value is not None and self.expects in (state.revision, state.value)


class _Node(NamedTuple):
    done: frozenset[int]
    """Numbers of operations; the complement of one that was written and superseded, and has not been shown by what."""
    half: int | None
    """The conditional write that has looked and has not taken effect yet."""
    state: State


def linearizable(ops: Sequence[Op], *, apart: bool) -> bool:
    """Whether some order explains all of them. Values' names must be unique, and a history's deletions among them have revisions."""
    ops = sorted(_resolved(ops), key=lambda op: op.begin)
    start = _Node(frozenset(), None, NOTHING)
    tried = {start}
    stack = [start]
    while stack:
        node = stack.pop()
        if len(node.done) == len(ops) and min(node.done, default=0) >= 0:
            return True
        for following in _steps(node, ops, apart=apart):
            if following not in tried:
                tried.add(following)
                stack.append(following)
    return False


def _resolved(ops: Sequence[Op]) -> Iterator[Op]:
    """What is not known of an operation may be known from others: its revision, or that nobody ever saw its effect.

    That it had one nobody needs to assume then: whatever came after it would have come after what was there before as well.
    """
    seen = {op.seen.value: op.seen.revision for op in ops if op.seen is not None}
    for op in ops:
        if op.revision is not None or (op.kind != "put" and op.outcome not in ("unknown", "superseded")):
            yield op
        elif op.value in seen:
            yield replace(op, revision=seen[op.value])
        elif op.outcome == "superseded":
            yield op


def _steps(node: _Node, ops: Sequence[Op], *, apart: bool) -> Iterator[_Node]:
    undone = list(_window(node.done, ops))
    first_end = min(ops[number].end for number in undone)
    for number in undone:
        if ops[number].begin <= first_end:
            yield from _step(node, number, ops[number], apart=apart)


def _window(done: frozenset[int], ops: Sequence[Op]) -> Iterator[int]:
    """The operations not done yet, up to the first that begins after one of them has ended."""
    first_end = math.inf
    for number, op in enumerate(ops):
        if op.begin > first_end:
            return
        if number not in done:
            first_end = min(first_end, op.end)
            yield number


def _step(node: _Node, number: int, op: Op, *, apart: bool) -> Iterator[_Node]:
    state, done = node.state, node.done | {number}
    if op.kind == "read":
        if _shows(state, op.seen):
            yield _Node(done, node.half, state)
    elif op.kind == "put":
        assert op.revision is not None
        yield _Node(done, node.half, max(state, State(op.revision, op.value), key=lambda each: each.revision))
    elif ~number in node.done:
        if _shows(state, op.seen):
            yield _Node(done - {~number}, node.half, state)
    elif node.half == number:
        yield from _effects(node, number, op)
    elif node.half is None and op.outcome == "refused":
        if not op.holds(state) and _shows(state, op.seen):
            yield _Node(done, None, state)
    elif node.half is None and op.holds(state):
        yield from [_Node(node.done, number, state)] if apart else _effects(node, number, op)


def _effects(node: _Node, number: int, op: Op) -> Iterator[_Node]:
    """It takes effect. Where nobody saw its revision, that may have been just above what was there, or below a put that came between."""
    superseded = op.outcome == "superseded"
    done, state = node.done | {~number if superseded else number}, node.state
    if op.revision is not None:
        yield _Node(done, None, max(state, State(op.revision, op.value), key=lambda each: each.revision))
    else:
        yield _Node(done, None, State(math.nextafter(state.revision, math.inf), op.value))
        if not op.holds(state):
            yield _Node(done, None, state)


def _shows(state: State, seen: State | None) -> bool:
    return state.value is None if seen is None else state == seen


def of_log(lines: Sequence[dict[str, Any]]) -> dict[str, list[Op]]:
    """Histories by key, of what clients logged: a line when an operation begins, and one with the same id when its answer came."""
    ops: dict[tuple[str, str], Op] = {}
    for line in lines:
        name = (line["key"], line["id"])
        if "kind" in line:
            ops[name] = Op(line["kind"], line["at"], value=line.get("value"), expects=line.get("expects"), outcome="unknown")
        elif (answer := line["outcome"]) != "unknown":
            seen = State(*line["seen"]) if line.get("seen") else None
            ops[name] = replace(ops[name], end=line["at"], outcome=answer, revision=line.get("revision"), seen=seen)
    found: dict[str, list[Op]] = {}
    for (key, _), op in ops.items():
        if op.kind != "read" or op.outcome != "unknown":
            found.setdefault(key, []).append(op)
    return found
