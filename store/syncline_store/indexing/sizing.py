"""How many documents the next batch takes: as many as fit in memory, going by what the last ones weighed."""

from collections.abc import Sequence

from syncline_store.indexing.look import Decided

FORGETTING = 0.3
"""Share of the newest batch in the running average."""


class Sizing:
    """Batches of `most` documents, or of so many as have about `most_bytes` of JSON together; at least one.

    A document's size is known only once it was read, so the average decides beforehand. It begins with small batches and
    follows what comes: small documents in large batches, large ones in small batches.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._average = most_bytes / most

    @property
    def documents(self) -> int:
        """The next batch's size at most."""
        return max(1, min(self._most, int(self._most_bytes / max(self._average, 1.0))))

    def weigh(self, decided: Sequence[Decided]) -> None:
        """Learn from a batch that was read."""
        if decided:
            weight = sum(len(each.case.row.value or "") for each in decided if each.case.row) / len(decided)
            # a heavy batch counts at once: memory is at stake, where a light one only brings speed
            self._average = max(weight, self._average + FORGETTING * (weight - self._average))
