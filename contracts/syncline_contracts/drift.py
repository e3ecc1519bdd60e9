"""Drift: where the index and the source really disagree, and the report of a walk."""

import uuid
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, computed_field

from syncline_contracts.identity import Ref


class DriftKind(StrEnum):
    """What is wrong with a document's points."""

    MISSING = "missing"
    """The source holds it, the index has no head of it."""
    STALE = "stale"
    """The index holds another state than the source: revision, content hash or expiry differ."""
    ORPHAN = "orphan"
    """The index holds what the source does not, or deleted."""
    WRONG_MODEL = "wrong_model"
    """Embedded with another model than the one in use."""
    PASSAGE_GAP = "passage_gap"
    """Passages of a document are missing, or there are more than its head says."""
    CORRUPT = "corrupt"
    """The vector is not what the text embeds to (found by sampling)."""
    PAYLOAD = "payload"
    """Tenant, namespace, key or fields of a point are not the document's (found by sampling)."""
    DUPLICATE = "duplicate"
    """A passage has two points: searches find it twice."""
    EXPIRED = "expired"
    """Points that expired so long ago that a sweep should have removed them."""

    @property
    def removal(self) -> bool:
        """A repair takes points away, and brings none back: what it is about is the points' state."""
        return self in (DriftKind.ORPHAN, DriftKind.EXPIRED)

    @property
    def remedy(self) -> str:
        """What a repair does about it."""
        match self:
            case DriftKind.ORPHAN | DriftKind.EXPIRED:
                return "removes its points, unless they were written again meanwhile"
            case DriftKind.DUPLICATE:
                return "deletes the points that are named, unless they changed meanwhile, then embeds the document anew"
            case DriftKind.MISSING:
                return "embeds the document, and writes its points"
            case DriftKind.STALE | DriftKind.PASSAGE_GAP | DriftKind.WRONG_MODEL | DriftKind.CORRUPT | DriftKind.PAYLOAD:
                return "embeds the document anew, and writes all its points"


class Verdict(StrEnum):
    """What a report comes to."""

    IN_STEP = "in_step"
    DRIFT = "drift"
    UNKNOWN = "could_not_tell"

    @property
    def exit_code(self) -> int:
        """0 in step, 1 drift, 2 could not tell."""
        return (Verdict.IN_STEP, Verdict.DRIFT, Verdict.UNKNOWN).index(self)


class Finding(BaseModel):
    """One document that drifted. `seen` says what each side held; times are µs since 1970."""

    model_config = ConfigDict(frozen=True)

    kind: DriftKind
    document: uuid.UUID
    tenant: str
    namespace: tuple[str, ...]
    key: str
    segment: int
    source_revision: int | None
    index_revision: int | None
    expires_at: int
    """The expiry that a repair event must name: of the row, or of the point where there is no row."""
    detail: str
    since: int
    """The newest revision that takes part: the disagreement is at most as old as this."""
    points: tuple[str, ...] = ()
    """Points that stand under ids which are not those of their passages. No event speaks of them: a repair deletes them first."""

    @computed_field  # type: ignore[prop-decorator] # pydantic's own way to say it
    @property
    def repair(self) -> str:
        """What a repair would do."""
        return self.kind.remedy

    @property
    def ref(self) -> Ref:
        """The document it is about."""
        return Ref(self.tenant, self.namespace, self.key)


class DriftReport(BaseModel):
    """The outcome of a walk: what was compared, what was found, what could not be told."""

    model_config = ConfigDict(frozen=True)

    started_at: int
    seconds: float
    documents: int
    """Source heads that were compared, tombstones included."""
    points: int
    """Index points that were compared."""
    model: str = ""
    """The embedding model that the index is compared by."""
    collection: str = ""
    """The collection that was compared, by its own name."""
    sampled: int = 0
    """Vectors that were recomputed and compared."""
    young: int = 0
    """Differences left alone because their writes may still be in flight."""
    findings: tuple[Finding, ...] = ()
    """Differences that two further looks confirmed."""
    unlisted: int = 0
    """Differences of the walk beyond those that a report lists; they were not confirmed. Repair what is listed, then check again."""
    unnamed: int = 0
    """Documents in the index whose points do not say whose they are, or say it falsely (somebody damaged the payload): no event can
    repair them."""
    repaired: int = 0
    """Repair events that were written."""
    refused: str | None = None
    """Why the walk could not tell, or refused to repair; None when all went well."""

    @property
    def by_kind(self) -> dict[DriftKind, int]:
        """How many documents drifted, for each kind that was found."""
        counts: dict[DriftKind, int] = {}
        for finding in self.findings:
            counts[finding.kind] = counts.get(finding.kind, 0) + 1
        return counts

    @property
    def verdict(self) -> Verdict:
        """Drift where anything was found, also when its repair was refused; unknown where the walk could not tell."""
        if self.findings or self.unnamed:
            return Verdict.DRIFT
        return Verdict.IN_STEP if self.refused is None else Verdict.UNKNOWN
