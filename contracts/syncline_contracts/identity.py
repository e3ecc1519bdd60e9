"""Which document: its reference, the encodings of a namespace, and the ids derived from them.

A namespace is a tuple of non-empty strings. Its encoding is injective, keeps the tuples' order, and makes "is below this
prefix" a plain string prefix: each part is ended by U+0001, and the three characters up to U+0002 are escaped, so that
``("a.b", "c")`` and ``("a", "b.c")`` differ and ``("user",)`` is no prefix of ``("users",)``.
"""

import re
import uuid
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha1

SEGMENTS = 4096
"""How many parts the space of documents is cut into for walks (12 bits)."""
SLICES = 64
"""A finer, independent cut of document ids (6 bits), for a namespace that fills few segments."""

END = "\x01"
_ESCAPE = "\x02"
_ESCAPED = {"\x00": "\x02\x03", "\x01": "\x02\x04", "\x02": "\x02\x05"}
_PLAIN = {escaped: plain for plain, escaped in _ESCAPED.items()}
_NEEDS_ESCAPE = re.compile("[\x00-\x02]")
_IS_ESCAPED = re.compile("\x02[\x03-\x05]")
DOCUMENTS = uuid.UUID("6a1f6b43-3f0e-5d0e-9a58-5c1d6f2f7a10")
"""The namespace (RFC 9562) of the documents' ids."""

SYSTEM_TENANT = "@syncline"
"""Whose documents are Syncline's own (the canary's probes). No app can be this tenant, so that none reads them."""

Namespace = tuple[str, ...]


def encode_namespace(namespace: Namespace) -> str:
    """Encode a namespace (or a prefix of one; ``()`` gives ``""``): injective and order-preserving."""
    if _NEEDS_ESCAPE.search("".join(namespace)) is None:
        return END.join((*namespace, ""))
    return "".join(_NEEDS_ESCAPE.sub(lambda found: _ESCAPED[found[0]], part) + END for part in namespace)


def decode_namespace(encoded: str) -> Namespace:
    """Give back the tuple that `encode_namespace` was given. Raises ValueError for any other string."""
    if encoded and not encoded.endswith(END):
        raise ValueError(f"not an encoded namespace: {encoded!r}")
    parts = encoded.split(END)[:-1]
    return tuple(_IS_ESCAPED.sub(lambda found: _PLAIN[found[0]], part) for part in parts)


@lru_cache(maxsize=4_096)  # a process meets a namespace again and again
def namespace_prefixes(namespace: Namespace) -> tuple[str, ...]:
    """Every prefix of a namespace, encoded, itself last: a search below a prefix is one keyword match."""
    return tuple(encode_namespace(namespace[:length]) for length in range(1, len(namespace) + 1))


@dataclass(frozen=True, slots=False, order=True)
class Ref:
    """A document's address. Refs sort by tenant, then in listing order: (namespace, key)."""

    tenant: str
    namespace: Namespace
    key: str

    @cached_property
    def document(self) -> uuid.UUID:
        """The document's id: uuid5 of the injective encoding of (tenant, *namespace, key)."""
        name = encode_namespace((self.tenant, *self.namespace, self.key))
        return uuid.UUID(bytes=sha1(DOCUMENTS.bytes + name.encode(), usedforsecurity=False).digest()[:16], version=5)

    @property
    def slice(self) -> int:
        """0..63, from the id's last bits: independent of the segment."""
        return self.document.int % SLICES

    def __str__(self) -> str:
        return f"{self.tenant}:{'/'.join(self.namespace)}/{self.key}"


def point_id(document: uuid.UUID, passage: int) -> str:
    """The Qdrant point id of a document's passage; passage 0 is its head."""
    return str(uuid.uuid5(document, str(passage)))
