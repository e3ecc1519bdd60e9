"""Settings of the reconciler: how careful it is, and how much it may repair at once."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from syncline_store.settings import Settings
from syncline_sync_worker.reconcile.safety import Caps

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]


class ReconcileSettings(Settings):
    """Durations are seconds."""

    settle: Seconds = 5.0
    """Differences younger than this are left alone, whatever the outbox says."""
    settle_most: Seconds = 60.0
    """They are left alone for as long as the lag that was measured lately, but for no longer than this."""
    delay: Seconds = 2.0
    """How long a difference is left to mend itself before each further look."""
    confirmations: Count = 2
    """Further looks that must see the same difference."""
    range_documents: Count = 20_000
    """About how many documents are compared at a time: the unit of memory."""
    look_documents: Count = 500
    """How many different documents one request of a further look reads."""
    sample_documents: Count = 64
    """How many documents are embedded anew at a time."""
    max_findings: Count = 10_000
    """Differences that a report lists; those beyond are counted."""
    max_repairs: Count = 1_000
    """Repair events in a run at most. The rest waits for the next one; more removals than this are refused altogether."""
    max_share: Share = 0.2
    """Repairs in a run as a share of the documents compared: more of them is no drift but a mistake, and refused."""
    few: Annotated[int, Field(ge=0)] = 10
    """So many repairs are allowed whatever their share: one of three documents is a third."""
    repair_batch: Count = 500
    """Repair events written together."""

    @property
    def settle_us(self) -> tuple[int, int]:
        """The bounds of the settle window in microseconds, the unit of all times inside."""
        return int(self.settle * 1e6), int(max(self.settle, self.settle_most) * 1e6)

    @property
    def caps(self) -> Caps:
        """What a run may repair unless it is told otherwise."""
        return Caps(self.max_repairs, self.max_share, self.few)


class CanarySettings(Settings):
    """Of the probe that `syncline reconcile watch` writes and searches for. Durations are seconds."""

    enabled: bool = True
    """Without it a watch writes no document."""
    interval: Annotated[float, Field(gt=0)] = 10.0
    """How long it rests between two probes."""
    slow: Annotated[float, Field(gt=0)] = 10.0
    """A probe that took longer to be found is told of."""
    lost: Annotated[float, Field(gt=0)] = 30.0
    """A probe that is not found by then is lost. An alert comes within `interval` and this."""
    ttl: Annotated[int, Field(ge=60)] = 3600
    """How long a probe lives: after the last one of a watch that ended, nothing is left."""

    @model_validator(mode="after")
    def _slow_before_lost(self) -> Self:
        if self.slow >= self.lost:
            raise ValueError("slow must be shorter than lost")
        return self


class WatchSettings(Settings):
    """Of `syncline reconcile watch`. Durations are seconds."""

    interval: Seconds = 300.0
    """How long it rests between two walks."""
    rate: Annotated[float, Field(gt=0)] | None = None
    """Documents a second that a walk compares at most. None: as fast as it goes."""
    sample: Share = 0.01
    """The share of the documents whose payloads and vectors are computed again in each walk."""
    repair: bool = False
    """Whether it repairs what it finds, within the caps of `reconcile`."""
    canary: CanarySettings = CanarySettings()
