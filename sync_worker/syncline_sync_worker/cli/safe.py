"""Text that somebody else wrote, made fit for a terminal: none of it moves the cursor, rings, colours or turns the line around."""

import json

from rich.markup import escape


def safe(text: str) -> str:
    """The text with everything that does not print written as its escape, and no markup of rich's in it."""
    return escape("".join(one if one.isprintable() else one.encode("unicode_escape", "backslashreplace").decode() for one in text))


def safe_json(text: str) -> str:
    """The JSON text with everything that does not print written as its escape: for a program it says the same."""
    return text if text.isprintable() else "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)
