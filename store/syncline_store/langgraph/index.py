"""What an index configuration says: the embedding model, and which texts of a value it is given."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langgraph.store.base import Embeddings, IndexConfig, ensure_embeddings

from syncline_contracts.errors import ConfigurationError
from syncline_store.document import WHOLE, Apart
from syncline_store.embedding.langchain import LangChainEmbedder
from syncline_store.embedding.protocol import Embedder
from syncline_store.limits import checked_index
from syncline_store.settings.embedding import Kind

_BRACES = re.compile(r"\{([^{}]*)\}")
_OURS = (Kind.WORDLLAMA, Kind.SENTENCE_TRANSFORMERS)
"""What `embed` may name as ``KIND:MODEL`` besides what LangChain knows; ``openai:…`` is LangChain's."""


class SynclineIndexConfig(IndexConfig, total=False):
    """LangGraph's, where `embed` may also be ``"wordllama:256"``, ``"sentence-transformers:MODEL"`` or a Syncline embedder."""

    model: str
    """The model's id: another one whenever the vectors are. By default what the embeddings say of themselves."""


@dataclass(frozen=True, slots=True)
class Indexing:
    """`embedder` is what `open_store` takes, None where the store has one; `embeddings` what LangGraph's stores show of it."""

    config: SynclineIndexConfig
    embedder: str | Embedder | None
    embeddings: Embeddings | None
    fields: Apart

    @classmethod
    def of(cls, config: "SynclineIndexConfig | Indexing") -> "Indexing":
        """Check the configuration, unless it was. Raises ConfigurationError, InvalidDocument (no path), ValueError (LangChain's)."""
        if isinstance(config, Indexing):
            return config
        fields = apart(config.get("fields") or [WHOLE])
        checked_index(fields)
        embed: Any = config.get("embed")
        if embed is None or _is_ours(embed):
            return cls(config, embed, None, fields)
        embeddings = ensure_embeddings(embed)
        return cls(config, _adapted(config, embeddings), embeddings, fields)


def _is_ours(embed: Any) -> bool:
    if isinstance(embed, str):
        return embed.partition(":")[0] in _OURS
    return not isinstance(embed, Embeddings) and hasattr(embed, "max_tokens")


def apart(paths: Sequence[str]) -> Apart:
    """LangGraph's paths as Syncline's: ``"meta.{title,body}"`` is two of them."""
    return Apart(tuple(one for path in paths for one in _spread(path)))


def _spread(path: str) -> list[str]:
    found = _BRACES.search(path) if isinstance(path, str) else None
    if found is None:
        return [path]
    before, behind = path[: found.start()], path[found.end() :]
    return [one for name in found[1].split(",") for one in _spread(f"{before}{name.strip()}{behind}")]


def _adapted(config: SynclineIndexConfig, embeddings: Embeddings) -> LangChainEmbedder:
    dims = config.get("dims")
    if not isinstance(dims, int) or dims < 1:
        raise ConfigurationError("index: dims must say how long the vectors are")
    return LangChainEmbedder(embeddings, model=config.get("model") or _model(config.get("embed"), embeddings), dimensions=dims)


def _model(embed: Any, embeddings: Embeddings) -> str:
    if isinstance(embed, str):
        return f"langchain/{embed}"
    if embed is not embeddings:
        return f"langchain/{getattr(embed, '__module__', '')}.{getattr(embed, '__qualname__', type(embed).__qualname__)}"
    said = (getattr(embeddings, name, None) for name in ("model", "model_name", "model_id"))
    return "/".join(("langchain", type(embeddings).__qualname__, *(name for name in said if isinstance(name, str))))
