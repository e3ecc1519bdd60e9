"""A report of drift as tables and as JSON."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from syncline_sync_worker.cli.output import table
from syncline_sync_worker.cli.place import show_namespace
from syncline_sync_worker.cli.safe import safe

if TYPE_CHECKING:
    from syncline_contracts.drift import DriftReport, Finding

LISTED = 20
"""Findings that a table names; --json has all of them."""


def show_report(out: Console, report: "DriftReport", *, dry: bool = False, listed: bool = True) -> None:
    """For people."""
    out.print(f"[dim]{report.documents:,} documents against {report.points:,} points in {report.seconds:.1f} s[/]")
    if report.findings and listed:
        show_kinds(out, {kind.value: count for kind, count in report.by_kind.items()})
        out.print()
        show_findings(out, report.findings)
    if report.unlisted:
        out.print(f"[yellow]and {report.unlisted:,} more differences that were not looked at again[/]")
    if report.unnamed:
        out.print(
            f"[yellow]{report.unnamed:,} documents in the index do not say, or not truly, whose they are: "
            "no repair reaches them, delete their points[/]"
        )
    if report.young:
        out.print(f"[dim]{report.young:,} differences may still be in flight and were left alone[/]")
    if report.refused is not None:
        out.print(f"[bold red]refused:[/] {safe(report.refused)}")
    elif report.repaired:
        out.print(f"[green]{report.repaired:,} repaired[/]")
    elif not report.findings and not report.unnamed:
        out.print("[green]in step[/]")
    elif dry:
        out.print("[dim]nothing was changed: `syncline reconcile repair --apply` repairs it[/]")


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
