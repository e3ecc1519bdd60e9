"""How far a check is, kept in a file: one that was killed goes on where it was, and comes to the same report."""

import asyncio
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from syncline_contracts.drift import Finding
from syncline_contracts.errors import InvalidInput
from syncline_sync_worker.reconcile.scope import Scope
from syncline_sync_worker.reconcile.tally import COUNTS, Tally

EVERY = 1.0
"""Seconds between two saves at least: what a kill costs."""


class Saved(BaseModel):
    """The file's content. Its size is bounded by `max_findings`."""

    source: str
    """The identity of the store."""
    scope: dict[str, Any]
    sample: float
    segment: int
    """The next one to be compared."""
    started_at: int
    seconds: float
    counts: dict[str, int]
    suspects: list[Finding]


class Checkpoint:
    """One run's file. It is removed when the run has ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._saved_at = 0.0

    async def begin(self, source: str, scope: Scope, sample: float, tally: Tally) -> int | None:
        """Take up what the file says, into the tally: the segment to go on with, None without a file.

        Raises InvalidInput for a file of another scope, sample or store.
        """
        text = await asyncio.to_thread(_read, self._path)
        if text is None:
            return None
        try:
            saved = Saved.model_validate_json(text)
        except ValidationError:
            raise InvalidInput("--resume", f"{self._path} is no state of a check: name another file") from None
        if (saved.source, saved.scope, saved.sample) != (source, _plain(scope), sample):
            raise InvalidInput(
                "--resume", f"{self._path} is of a check of another scope, sample or store: repeat that one, or remove the file"
            )
        tally.started_at = saved.started_at
        tally.began = time.monotonic() - saved.seconds
        tally.suspects = saved.suspects
        for name, count in saved.counts.items():
            setattr(tally, name, count)
        return saved.segment

    async def save(self, source: str, scope: Scope, sample: float, tally: Tally, segment: int) -> None:
        """Write down that all segments before this one are compared."""
        now = time.monotonic()
        if now - self._saved_at < EVERY:
            return
        self._saved_at = now
        saved = Saved(
            source=source,
            scope=_plain(scope),
            sample=sample,
            segment=segment,
            started_at=tally.started_at,
            seconds=now - tally.began,
            counts={name: getattr(tally, name) for name in COUNTS},
            suspects=tally.suspects,
        )
        await asyncio.to_thread(_write, self._path, saved)

    async def done(self) -> None:
        """The report is made."""
        await asyncio.to_thread(self._path.unlink, missing_ok=True)


def _plain(scope: Scope) -> dict[str, Any]:
    return {**asdict(scope), "namespace": list(scope.namespace)}


def _read(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("--resume", f"{path} cannot be read ({error}): name another file") from None


def _write(path: Path, saved: Saved) -> None:
    beside = path.with_name(f"{path.name}.new")
    try:
        beside.write_text(saved.model_dump_json(), "utf-8")
        beside.replace(path)
    except OSError as error:
        raise InvalidInput("--resume", f"{path} cannot be written ({error.strerror}): name a file where this user may write") from None
