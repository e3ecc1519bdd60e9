"""What a run may repair, and when it must not: a mistake of the operator or of a restore looks just like mass drift."""

from collections.abc import Sequence
from dataclasses import dataclass

from syncline_contracts.drift import DriftReport, Finding


@dataclass(frozen=True, slots=True)
class Caps:
    """How much one run may repair: a count, a share of the documents compared, and a few whatever their share."""

    max_repairs: int
    max_share: float
    few: int

    def but(self, max_repairs: int | None, max_share: float | None) -> "Caps":
        """The same, but for what is given."""
        return Caps(self.max_repairs if max_repairs is None else max_repairs, self.max_share if max_share is None else max_share, self.few)


@dataclass(frozen=True, slots=True)
class Allowed:
    """These may be repaired: removals last, and no more than the count."""

    findings: Sequence[Finding]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nothing may be repaired; `why` names the remedy."""

    why: str


def another_store(source: str, stamp: str | None) -> str | None:
    """Why nothing can be told: the collection was made for another store. One without a stamp is taken for this store's."""
    if stamp in (None, source):
        return None
    return (
        f"the index was built from another store (its stamp is {stamp}, this store is {source}), and all of it would look like drift: "
        "name the store and the index that belong together with --store and --index. A store that was just migrated, or restored into "
        "another keyspace, is another one too: if this index is to follow it from now on, say `syncline reconcile adopt`"
    )


def source_looks_empty(orphans: int) -> str:
    """Why nothing can be told: a source without a document and an index full of orphans are hardly of one another."""
    return (
        f"the source looks empty, and all {orphans} documents in the index would be orphans: is this the right store, and has it been "
        "restored? If the documents are really gone, remove the collection instead"
    )


def judge(report: DriftReport, caps: Caps) -> Allowed | Refusal:
    """Which findings of a report may be repaired."""
    if report.refused is not None:
        return Refusal(report.refused)
    removals = [finding for finding in report.findings if finding.kind.removal]
    others = [finding for finding in report.findings if not finding.kind.removal]
    found = len(report.findings) + report.unlisted
    share = found / max(report.documents, 1)
    if found > caps.few and share > caps.max_share:
        return Refusal(
            f"{found} of {report.documents} documents differ, {share:.0%}, where max_share allows {caps.max_share:.0%}: if that is what "
            "you expect (an index that was lost, say), raise max_share"
        )
    if len(removals) > caps.max_repairs:
        return Refusal(f"{len(removals)} documents would be removed from the index, where max_repairs allows {caps.max_repairs}")
    return Allowed((*others[: caps.max_repairs - len(removals)], *removals))
