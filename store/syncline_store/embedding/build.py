"""The embedder that the settings name."""

from typing import assert_never

from syncline_store.embedding.openai import OpenAIEmbedder
from syncline_store.embedding.protocol import Embedder
from syncline_store.embedding.sentence_transformers import SentenceTransformersEmbedder
from syncline_store.embedding.wordllama import WordLlamaEmbedder
from syncline_store.settings import StoreSettings
from syncline_store.settings.embedding import Kind, named


def build_embedder(settings: StoreSettings) -> Embedder:
    """Nothing is loaded or connected before its first text. Raises ConfigurationError where an extra is not installed."""
    kind, model = named(settings.embedder)
    match kind:
        case Kind.WORDLLAMA:
            return WordLlamaEmbedder(int(model))
        case Kind.OPENAI:
            return OpenAIEmbedder(model, settings.embedding)
        case Kind.SENTENCE_TRANSFORMERS:
            return SentenceTransformersEmbedder(model, settings.embedding)
    assert_never(kind)
