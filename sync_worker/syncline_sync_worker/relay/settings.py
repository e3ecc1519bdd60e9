"""Settings of the relay. Durations are seconds."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from syncline_store.settings import Count, Seconds, Settings


class RelaySettings(Settings):
    """How the outbox is read. The overlaps never reach further back than the engine says that rows can be late."""

    hot_interval: Seconds = 0.075
    """Between two reads of what is new, while there is something new."""
    hot_overlap: Annotated[float, Field(ge=0)] = 0.3
    """How far such a read goes back behind the one before: as far as most concurrent writes overtake each other."""
    idle_interval: Seconds = 0.5
    """What that grows to while there is not."""
    page: Annotated[int, Field(ge=1, le=10_000)] = 1_000
    """Rows read, and handed to the publisher, at a time."""
    short_overlap: Seconds = 10.0
    short_every: Seconds = 1.0
    long_overlap: Seconds = 300.0
    long_every: Seconds = 30.0
    widest_overlap: Seconds = 1800.0
    """How far the long overlap may widen when rows surface near its end."""
    remember: Count = 500_000
    """Published places that are remembered for each shard, about 100 bytes each; what is forgotten is published again."""
    intent_grace: Seconds = 10.0
    """How long a conditional write's first row waits for its second."""
    checkpoint_every: Seconds = 5.0
    lease_life: Seconds = 15.0
    """A relay that died is replaced after this long."""
    shards_at_most: Count | None = None
    """Leave the other shards to other relays. None: take all that are free."""
    outbox_life: Seconds = 3 * 24 * 3600.0
    """Where a shard without a mark is begun: this long ago."""
    first_backoff: Seconds = 0.2
    longest_backoff: Seconds = 30.0
    stop_within: Seconds = 20.0
    """How long a stop waits for what is being published."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.short_overlap > self.long_overlap or self.short_every > self.long_every:
            raise ValueError("short_overlap and short_every must not exceed long_overlap and long_every")
        if self.long_overlap >= self.outbox_life:
            raise ValueError("long_overlap must be shorter than outbox_life: rows expire before it reads them again")
        return self
