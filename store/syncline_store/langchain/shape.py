"""LangChain's documents as Syncline's: ``{"page_content": "...", "metadata": {...}}``, of which the first is embedded."""

from collections.abc import Mapping
from typing import Any

from langchain_core.documents import Document

from syncline_store.document import Document as Stored

CONTENT = "page_content"
METADATA = "metadata"
INDEXED = (CONTENT,)


def value_of(text: str, metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """As Syncline keeps it."""
    return {CONTENT: text, METADATA: dict(metadata or {})}


def document_of(stored: Stored) -> Document:
    """As LangChain knows it; what another face of Syncline wrote has its other fields as metadata."""
    value = stored.value
    metadata = value.get(METADATA)
    if not isinstance(metadata, dict):
        metadata = {name: item for name, item in value.items() if name != CONTENT}
    return Document(id=stored.key, page_content=str(value.get(CONTENT, "")), metadata=metadata)


def filter_of(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A filter over metadata as one over values: ``{"year": 1999}`` looks at ``metadata.year``."""
    return None if given is None else {_name(name): _condition(name, wanted) for name, wanted in given.items()}


def _name(name: str) -> str:
    return name if name.startswith("$") else f"{METADATA}.{name}"


def _condition(name: str, wanted: Any) -> Any:
    if name in ("$and", "$or") and isinstance(wanted, list | tuple):
        return [filter_of(part) if isinstance(part, Mapping) else part for part in wanted]
    return filter_of(wanted) if name == "$not" and isinstance(wanted, Mapping) else wanted
