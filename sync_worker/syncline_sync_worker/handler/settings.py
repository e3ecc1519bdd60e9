"""Settings of the handler. Durations are seconds."""

from typing import Self

from pydantic import PositiveInt, model_validator

from syncline_store.settings import Seconds, Settings


class HandlerSettings(Settings):
    """How long a batch is tried before handling pauses."""

    first_retry: Seconds = 0.2
    longest_retry: Seconds = 10.0
    retry_for: Seconds = 30.0
    """Tries begin no later than this after the first; then the handler pauses. Nothing is dead-lettered for an outage."""
    open_after: PositiveInt = 5
    """Failures of one part in a row, of any batches, after which it is left alone: batches pause at once, unasked."""
    open_for: Seconds = 5.0
    """How long; then one batch probes it. Longer where the part asks for longer (Retry-After)."""
    deadline: Seconds = 600.0
    """From the first read to the acknowledgement; must be shorter than the grace of tombstones, or old revisions could return (H14)."""

    @model_validator(mode="after")
    def _retries_fit(self) -> Self:
        if self.retry_for >= self.deadline:
            raise ValueError("retry_for must be shorter than deadline")
        return self
