"""What the commands of ``syncline reconcile`` share: which documents they look at, how fast, and how far they are."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from syncline_contracts.errors import InvalidInput
from syncline_contracts.revision import now_us
from syncline_sync_worker.cli.output import Output
from syncline_sync_worker.cli.place import parse_namespace
from syncline_sync_worker.cli.times import parse_rate, parse_time

if TYPE_CHECKING:
    from syncline_contracts.drift import DriftReport
    from syncline_sync_worker.reconcile.progress import Progress as Walked
    from syncline_sync_worker.reconcile.progress import ProgressCallback
    from syncline_sync_worker.reconcile.reconciler import Reconciler
    from syncline_sync_worker.reconcile.scope import Scope

OnlyTenant = Annotated[str | None, typer.Option("--tenant", help="Only this tenant's documents; all otherwise.", show_default=False)]
Part = Annotated[str, typer.Option("--part", metavar="I/N", help="Only the i-th of n parts, to share the work.")]
OnlyNamespace = Annotated[str, typer.Option("--namespace", help="Only there and below.", show_default=False)]
Segments = Annotated[
    str | None,
    typer.Option("--segments", metavar="A-B", help="Only these of the segments 0-4095; --part divides them.", show_default=False),
]
Since = Annotated[
    str | None, typer.Option("--since", metavar="WHEN", help="Only differences as new as 2h, or 2026-03-01.", show_default=False)
]
Until = Annotated[str | None, typer.Option("--until", metavar="WHEN", help="Only differences older than that.", show_default=False)]
Sampled = Annotated[
    float, typer.Option("--sample", min=0.0, max=1.0, help="The share of documents whose payloads and vectors are computed again.")
]
Rate = Annotated[str | None, typer.Option("--rate", metavar="N/s", help="Compare so many documents a second at most.", show_default=False)]
Resume = Annotated[
    Path | None,
    typer.Option("--resume", metavar="FILE", help="Keep there how far the walk is; go on from it if it is there.", show_default=False),
]
Lines = Annotated[
    Path | None, typer.Option("--lines", metavar="FILE", help="Write each finding there too, as a line of JSON.", show_default=False)
]
_SEGMENTS = re.compile(r"^(\d{1,4})(?:-(\d{1,4}))?$")


@dataclass(frozen=True, slots=True)
class Course:
    """What a command's options say of its walk. Raises InvalidInput for what makes no sense."""

    scope: "Scope"
    sample: float = 0.0
    rate: str | None = None
    resume: Path | None = None
    lines: Path | None = None
    per_second: float | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "per_second", None if self.rate is None else parse_rate("--rate", self.rate))


def scope_of(
    tenant: str | None, part: str, *, namespace: str = "", segments: str | None = None, since: str | None = None, until: str | None = None
) -> "Scope":
    """What the options say. Raises InvalidInput."""
    from syncline_sync_worker.reconcile.scope import Scope  # noqa: PLC0415 - numpy takes longer than --help may

    which, slash, of = part.partition("/")
    if not slash or not which.isdigit() or not of.isdigit():
        raise InvalidInput("--part", f"{part!r} is not I/N, such as 2/8")
    found = None if segments is None else _SEGMENTS.match(segments)
    if segments is not None and found is None:
        raise InvalidInput("--segments", f"{segments!r} is not A-B, such as 0-511")
    within = {} if found is None else {"first": int(found[1]), "last": int(found[2] or found[1])}
    times = {name: parse_time(f"--{name}", text, now_us()) for name, text in (("since", since), ("until", until)) if text is not None}
    return Scope(tenant, int(which), int(of), parse_namespace(namespace), **within, **times)


async def walked(output: Output, reconciler: "Reconciler", course: Course) -> "DriftReport":
    """Check, and show how far it is."""
    from syncline_sync_worker.reconcile.resume import Checkpoint  # noqa: PLC0415 - as above

    checkpoint = None if course.resume is None else Checkpoint(course.resume)
    with _bar(output) as progress:
        report = await reconciler.check(
            course.scope, sample=course.sample, progress=progress, rate=course.per_second, checkpoint=checkpoint
        )
    if course.lines is not None:
        _write(course.lines, report)
    return report


def _write(path: Path, report: "DriftReport") -> None:
    try:
        path.write_text("".join(f"{finding.model_dump_json()}\n" for finding in report.findings), "utf-8")
    except OSError as error:
        raise InvalidInput("--lines", f"{path} cannot be written ({error.strerror})") from None


@contextmanager
def _bar(output: Output) -> "Iterator[ProgressCallback]":
    """Ranges done of all, documents a second, the time left; nothing where stderr is no terminal."""
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[documents]:,} docs"),
        TextColumn("[cyan]{task.fields[speed]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=output.err,
        transient=True,
        disable=not output.err.is_terminal,
    )
    with bar:
        task = bar.add_task("comparing", total=None, documents=0, speed="")

        def tell(progress: "Walked") -> None:
            elapsed = bar.tasks[0].elapsed or 0.0
            speed = f"{progress.documents / elapsed:,.0f} docs/s" if elapsed > 1 else ""
            what = "comparing" if progress.stage == "walk" else "looking again"
            bar.update(task, description=what, completed=progress.done, total=progress.total, documents=progress.documents, speed=speed)

        yield tell
