"""What a process remembers so as not to ask again, within a bound."""

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Bounded(Generic[K, V]):
    """At most `size` entries; the one that was put first goes first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """The entry, None where it was never put or has gone."""
        return self._entries.get(key)

    def put(self, key: K, value: V) -> None:
        """Remember it."""
        self._entries.pop(key, None)
        if len(self._entries) >= self._size:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = value
