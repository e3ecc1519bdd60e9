"""One file, one document: .md, .txt, .rst and .html."""

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from syncline_contracts.identity import Namespace
from syncline_sync_worker.imports.html import text_of_html
from syncline_sync_worker.imports.item import MAX_BYTES, Item, Unreadable
from syncline_sync_worker.imports.markdown import text_of_markdown

FIELDS = ("title", "text")
"""What of a file's value is embedded."""
_UNDERLINE = re.compile(r"([=\-~^\"'#*+.:_`])\1{2,}\s*$")
_CHARSET = re.compile(rb"<meta[^>]+charset=[\"']?([\w-]+)", re.IGNORECASE)


def text_of_rst(source: str) -> tuple[str | None, str]:
    """Give the first underlined line, or None, and the text as it is."""
    lines = source.splitlines()
    for line, below in pairwise(lines):
        if line.strip() and not _UNDERLINE.match(line) and _UNDERLINE.match(below) and len(below.rstrip()) >= len(line.rstrip()):
            return line.strip(), source.strip()
    return None, source.strip()


def text_of_plain(source: str) -> tuple[str | None, str]:
    """Give no title, and the text as it is."""
    return None, source.strip()


READERS: dict[str, Callable[[str], tuple[str | None, str]]] = {
    ".md": text_of_markdown,
    ".markdown": text_of_markdown,
    ".txt": text_of_plain,
    ".rst": text_of_rst,
    ".html": text_of_html,
    ".htm": text_of_html,
}
"""Suffix, and what gives the title and the text."""


def read_file(path: Path, namespace: Namespace) -> Item:
    """Read a file as the document {"title", "text", "file"}. Raises Unreadable with the reason."""
    source = _decoded(path)
    title, text = READERS[path.suffix.lower()](source)
    if not text:
        raise Unreadable("it holds no text")
    return Item(namespace, path.name, {"title": title or path.stem, "text": text, "file": path.name}, str(path), FIELDS, size=len(source))


def _decoded(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise Unreadable(f"{size:,} bytes are more than a document may hold ({MAX_BYTES:,}): split the file")
        data = path.read_bytes()
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from None
    encoding = _encoding(data)
    try:
        return data.decode(encoding).replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise Unreadable(f"is not {encoding} text (byte 0x{data[error.start]:02x} at {error.start}): save it as UTF-8") from None
    except LookupError:
        raise Unreadable(f"its encoding {encoding!r} is not known: save it as UTF-8") from None


def _encoding(data: bytes) -> str:
    """What the file says of itself: a byte order mark, or a page's charset. UTF-8 otherwise."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    said = None if data.startswith(b"\xef\xbb\xbf") else _CHARSET.search(data[:1024])
    return said[1].decode() if said else "utf-8-sig"
