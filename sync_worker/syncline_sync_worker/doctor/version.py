"""Versions of servers, as far as they are compared."""

import re


def parsed(version: str) -> tuple[int, int]:
    """The first two numbers of a version such as ``2025.4.1-0.20251101.abc``; zeros where there are none."""
    major, minor, *_ = [*map(int, re.findall(r"\d+", version)), 0, 0]
    return major, minor
