"""Which embedding model there is (`embedder`), and how it is talked to (`embedding`). Checked before anything connects."""

import string
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import Field, JsonValue, SecretStr, field_validator, model_validator

from syncline_store.settings.base import Count, Seconds, Settings

OPENAI = "https://api.openai.com/v1"
OPENAI_DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
"""As OpenAI documents its models; of every other model the settings say it."""
WORDLLAMA_DIMENSIONS = ("64", "128", "256")
_PATH = "/embeddings"
_RESERVED = {"model", "input", "dimensions", "encoding_format"}
_IN_A_HEADER = set(string.ascii_letters + string.digits + string.punctuation)


class Kind(StrEnum):
    """The embedders that settings can name; one of your own is given to ``open_store(embedder=...)``."""

    WORDLLAMA = "wordllama"
    OPENAI = "openai"
    SENTENCE_TRANSFORMERS = "sentence-transformers"


class Named(NamedTuple):
    """What `embedder` says."""

    kind: Kind
    model: str


class EmbeddingSettings(Settings):
    """How an embedding model is talked to. WordLlama needs none of it but `query_cache`."""

    base_url: str = OPENAI
    """Of an OpenAI-compatible endpoint, without the last ``/embeddings``."""
    api_key: SecretStr | None = None
    dimensions: Count | None = None
    """Length of a vector. Must be said, but for OpenAI's own models; a model that gives another length is refused."""
    shorten: bool = False
    """Ask for vectors of `dimensions`, which must be fewer than the model's own: for models that are trained for it."""
    query_prefix: str = ""
    document_prefix: str = ""
    """What the model wants before each text, for example ``"passage: "``. Another document prefix is another model to the index."""
    query_fields: dict[str, JsonValue] = Field(default_factory=dict)
    document_fields: dict[str, JsonValue] = Field(default_factory=dict)
    """Further fields of a request's body, for example ``{"input_type": "document"}``. Other ones are another model to the index."""
    encoding: Literal["base64", "float"] = "base64"
    """How vectors are asked for. An endpoint that refuses base64 (400, 422) is asked for floats by itself."""
    max_tokens: Count = 512
    """How many tokens of one text the model takes in; passages are cut below it."""
    max_batch: Count = 128
    """Texts in one request."""
    max_batch_tokens: Count = 100_000
    """Tokens in one request, by estimate; a longer text goes alone."""
    concurrency: Annotated[int, Field(ge=1, le=256)] = 4
    """Requests under way at once, for documents and for queries each."""
    timeout: Seconds = 60.0
    """Of a request, from its sending to the end of its answer."""
    connect_timeout: Seconds = 5.0
    query_cache: Annotated[int, Field(ge=0, le=1_000_000)] = 1_000
    """Queries whose vectors are remembered; 0 for none."""

    @field_validator("base_url")
    @classmethod
    def _url_is_plain(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError("must be the URL of an endpoint, such as http://localhost:11434/v1")
        if parts.username or parts.password:
            raise ValueError("must not hold a user or password: put the key into embedding.api_key")
        if parts.query or parts.fragment:
            raise ValueError("must end with its path: a key belongs into embedding.api_key")
        if url.rstrip("/").endswith(_PATH):
            raise ValueError(f"must end before {_PATH}, which is added")
        return url.rstrip("/")

    @field_validator("api_key")
    @classmethod
    def _key_fits_a_header(cls, key: SecretStr | None) -> SecretStr | None:
        """Refused here, where it is not shown: HTTP libraries quote a header that they cannot send."""
        if key is None:
            return None
        stripped = key.get_secret_value().strip()
        if not stripped or not set(stripped) <= _IN_A_HEADER:
            raise ValueError("must be letters, digits and punctuation, without spaces between")
        return SecretStr(stripped)

    @field_validator("query_fields", "document_fields")
    @classmethod
    def _fields_are_further_ones(cls, fields: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if taken := sorted(_RESERVED & fields.keys()):
            raise ValueError(f"must not name {', '.join(taken)}: there are settings for these")
        return fields

    @model_validator(mode="after")
    def _short_of_what(self) -> Self:
        if self.shorten and self.dimensions is None:
            raise ValueError("shorten needs dimensions: say how long the vectors shall be")
        return self

    def dimensions_of(self, model: str) -> int:
        """Length of an endpoint's vectors. Raises ValueError that names the remedy where it is not known, or cannot be."""
        native = OPENAI_DIMENSIONS.get(model)
        if self.dimensions is None and native is None:
            raise ValueError(f"embedding.dimensions is missing: say how long the vectors of {model!r} are")
        if self.dimensions is not None and native is not None and self.dimensions != native and not self.shorten:
            raise ValueError(
                f"embedding.dimensions is {self.dimensions}, but vectors of {model!r} have {native}: correct it, or set embedding.shorten"
            )
        return self.dimensions or native or 0


class NextSettings(Settings):
    """The model that is migrated to or, after the switch, the one that a rollback goes back to. Every write reaches its collection too."""

    embedder: str
    """As `embedder`."""
    embedding: EmbeddingSettings = EmbeddingSettings()
    """As `embedding`."""

    @field_validator("embedder")
    @classmethod
    def _embedder_is_known(cls, embedder: str) -> str:
        named(embedder)
        return embedder

    @model_validator(mode="after")
    def _embedder_is_whole(self) -> Self:
        expect_whole(self.embedder, self.embedding)
        return self


def named(embedder: str) -> Named:
    """Read ``KIND:MODEL``. Raises ValueError that names the remedy."""
    kind, _, model = embedder.partition(":")
    if kind not in set(Kind):
        raise ValueError(
            "must be wordllama:DIMENSIONS, openai:MODEL or sentence-transformers:MODEL; an embedder of your own is given to "
            "open_store(embedder=...)"
        )
    if kind == Kind.WORDLLAMA:
        if model not in ("", *WORDLLAMA_DIMENSIONS):
            raise ValueError("wordllama has 64, 128 or 256 dimensions: say wordllama:256")
        return Named(Kind.WORDLLAMA, model or WORDLLAMA_DIMENSIONS[-1])
    if not model.strip():
        raise ValueError(f"must name a model: {kind}:MODEL")
    return Named(Kind(kind), model)


def expect_whole(embedder: str, settings: EmbeddingSettings) -> None:
    """Raise ValueError, which names the remedy, where the two do not say enough to begin."""
    kind, model = named(embedder)
    if kind == Kind.WORDLLAMA:
        return
    settings.dimensions_of(model)
    if kind == Kind.OPENAI and settings.base_url == OPENAI and settings.api_key is None:
        raise ValueError("embedding.api_key is missing: OpenAI wants one; for another endpoint say embedding.base_url")
