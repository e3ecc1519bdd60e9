"""The text of a Markdown file, without its marks."""

from collections.abc import Iterator
from functools import cache
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark").enable("table")


def text_of_markdown(source: str) -> tuple[str | None, str]:
    """Give the first heading, or None, and the text: a block a paragraph, code kept as it is."""
    tokens = _parser().parse(_without_front_matter(source))
    title = next((_inline(after) for token, after in pairwise(tokens) if token.type == "heading_open"), None)
    blocks = list(_blocks(tokens))
    below = blocks[1:] if blocks[:1] == [title] else blocks  # the title is a field of its own
    return title or None, "\n\n".join(below or blocks)


def _without_front_matter(source: str) -> str:
    """Some tools put settings between two lines of dashes at the top: they are no text."""
    if not source.startswith("---\n"):
        return source
    _, end, rest = source[4:].partition("\n---\n")
    return rest if end else source


def _blocks(tokens: list[Token]) -> Iterator[str]:
    for token in tokens:
        text = _inline(token) if token.type == "inline" else token.content if token.type in ("fence", "code_block") else ""
        if text.strip():
            yield text.strip("\n")


def _inline(token: Token) -> str:
    return "".join(_piece(child) for child in token.children or ())


def _piece(token: Token) -> str:
    if token.type in ("softbreak", "hardbreak"):
        return "\n"
    if token.type == "image":
        return _inline(token)
    return token.content if token.type in ("text", "code_inline") else ""
