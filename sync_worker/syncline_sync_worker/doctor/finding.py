"""What one check found."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """It works now. Somebody should look at it."""
    FAIL = "fail"
    """It does not work, or what it should keep is not safe."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`said` is what is so, `remedy` what to do about it: empty where nothing is to be done, or where `said` says it."""

    check: str
    level: Level
    said: str
    remedy: str = ""


def ok(check: str, said: str) -> Finding:
    """As it should be."""
    return Finding(check, Level.OK, said)


def warn(check: str, said: str, remedy: str = "") -> Finding:
    """To be looked at."""
    return Finding(check, Level.WARN, said, remedy)


def fail(check: str, said: str, remedy: str = "") -> Finding:
    """To be mended."""
    return Finding(check, Level.FAIL, said, remedy)
