"""A report of drift as tables and as JSON."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from syncline_sync_worker.cli.output import counted, table
from syncline_sync_worker.cli.place import show_namespace
from syncline_sync_worker.cli.safe import safe

if TYPE_CHECKING:
    from syncline_contracts.drift import DriftReport, Finding

LISTED = 20
"""Findings that a table names; --json has all of them."""


def show_report(out: Console, report: "DriftReport", *, then: str = "", listed: bool = True) -> None:
    """For people. `then` says what may be done about the findings."""
    show_compared(out, report)
    if report.findings and listed:
        show_kinds(out, {kind.value: count for kind, count in report.by_kind.items()})
        out.print()
        show_findings(out, report.findings)
    show_rest(out, unlisted=report.unlisted, unnamed=report.unnamed, young=report.young)
    if report.refused is not None:
        out.print(f"[bold red]refused:[/] {safe(report.refused)}")
    elif report.repaired:
        out.print(f"[green]{report.repaired:,} repaired[/]")
    elif not report.findings and not report.unnamed:
        out.print("[green]in step[/]")
    elif then and report.findings:
        out.print(f"[dim]{then}[/]")


def show_compared(out: Console, report: "DriftReport") -> None:
    """What was held against what."""
    compared = f"{counted(report.documents, 'document')} against {counted(report.points, 'point')}"
    out.print(f"[dim]{compared} in {report.seconds:.1f} s[/]")


def show_rest(out: Console, *, unlisted: int, unnamed: int, young: int) -> None:
    """What differs, and is not among the findings."""
    if unlisted:
        out.print(f"[yellow]and {counted(unlisted, 'more difference')} not looked at again[/]")
    if unnamed:
        out.print(
            f"[yellow]documents in the index that do not say, or not truly, whose they are: {unnamed:,}; "
            "no repair reaches them, delete their points[/]"
        )
    if young:
        out.print(f"[dim]{counted(young, 'difference')} may still be in flight: left alone[/]")


def show_kinds(out: Console, by_kind: "dict[str, int]") -> None:
    """How many of each kind."""
    kinds = table("drift", "documents", right=("documents",))
    for kind, count in sorted(by_kind.items()):
        kinds.add_row(f"[bold yellow]{kind}[/]", f"{count:,}")
    out.print(kinds)


def show_findings(out: Console, findings: "Sequence[Finding]", *, repairs: bool = False) -> None:
    """The first of them; with `repairs` also what a repair does about each."""
    found = table("kind", "document", "what", *(["a repair"] if repairs else []))
    for finding in findings[:LISTED]:
        document = f"{safe(show_namespace(finding.namespace))} [cyan]{safe(finding.key)}[/]"
        found.add_row(finding.kind, document, safe(finding.detail), *([finding.repair] if repairs else []))
    out.print(found)
    if len(findings) > LISTED:
        out.print(f"[dim]and {len(findings) - LISTED:,} more: --json lists all of them[/]")


def data_of(report: "DriftReport") -> dict[str, Any]:
    """For programs."""
    data: dict[str, Any] = report.model_dump(mode="json")
    return data | {"verdict": report.verdict.value, "by_kind": {kind.value: count for kind, count in report.by_kind.items()}}
