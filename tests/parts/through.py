"""An object with some of its attributes replaced: real in everything else."""

from typing import Any


class Through:
    """Another object, with some attributes put in front of its own."""

    def __init__(self, behind: object, **instead: object) -> None:
        self._behind = behind
        self.__dict__.update(instead)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)
