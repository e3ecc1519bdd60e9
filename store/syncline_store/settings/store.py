"""What `open_store` needs to know: where both sides are, who indexes, and how much of anything."""

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator

from syncline_store.settings.base import Count, Seconds, Settings, explain, problems
from syncline_store.settings.cql import CQL, CqlOptions, CqlSettings, address
from syncline_store.settings.embedding import EmbeddingSettings, NextSettings, expect_whole, named
from syncline_store.settings.tenants import QuotaSettings, RateSettings

SQLITE = "sqlite:///"
MEMORY = ":memory:"
PATH = "path:"


class LimitSettings(Settings):
    """What a document may be. Bytes are of UTF-8; `value_bytes` counts the canonical JSON text."""

    tenant_bytes: Count = 128
    namespace_parts: Annotated[int, Field(ge=1, le=10)] = 10
    namespace_part_bytes: Count = 256
    key_bytes: Count = 1024
    value_bytes: Count = 1_000_000
    depth: Annotated[int, Field(ge=1, le=200)] = 64
    """Objects and lists inside each other, the value itself included."""


class GroupSettings(Settings):
    """How much of what arrives while a write is in flight goes together into the next one."""

    max_items: Count = 64
    max_bytes: Count = 1_000_000


class IndexingSettings(Settings):
    """How documents become points."""

    passage_tokens: Annotated[int, Field(ge=16)] = 256
    """A passage's length at most; an embedder that takes less has its way."""
    max_batch: Count = 256
    """Documents that are read, embedded and written together."""
    max_batch_bytes: Count = 8_000_000
    """About how much JSON these may have together: where documents are large, fewer of them make a batch."""
    batches_at_once: Annotated[int, Field(ge=1, le=16)] = 2
    """Batches under way in one call, so that one is embedded while another is written."""
    attempts: Count = 3
    """How often a document that is refused is tried before it becomes a dead letter."""
    deadline: Seconds = 300.0
    """How long a batch may take from its first read to its last write; half of the tombstones' grace at most (H14)."""


class StoreSettings(Settings):
    """Everything that `open_store` needs to know. Durations are seconds."""

    store: str = "sqlite:///syncline-data/documents.db"
    """``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``sqlite:///:memory:``, or ``cql://host[:port][,host...]/keyspace``."""
    cql: CqlOptions = CqlOptions()
    """How the servers of a ``cql://`` store are talked to."""
    migrate: bool | None = None
    """Whether opening brings the schema up to date. None: a file's yes; servers' no, where `syncline migrate` does it once for all."""
    index: str = "path:./syncline-data/index"
    """``path:FOLDER`` (in this process), ``:memory:``, or a Qdrant server's ``http(s)://host:6333``."""
    index_api_key: SecretStr | None = None
    index_grpc_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """The server's gRPC port, usually 6334: points are read and written in bulk over it, everything else over REST."""
    collection: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,200}$")] = "syncline"
    indexing: Literal["inline", "relay"] | None = None
    """Who indexes: the put itself, or relay and worker. None: inline where the index is local."""
    embedder: str = "wordllama:256"
    """``wordllama:DIMENSIONS`` (64, 128 or 256), ``openai:MODEL`` (any compatible endpoint) or ``sentence-transformers:MODEL``."""
    embedding: EmbeddingSettings = EmbeddingSettings()
    """How the embedding model is talked to."""
    next: NextSettings | None = None
    """Another embedding model whose collection every write reaches as well: while a model is migrated."""
    tombstone_grace: Seconds = 7 * 24 * 3600.0
    """How long a deletion stays known, in the storage and in the index."""
    closed_letters_life: Annotated[int, Field(ge=7 * 86_400, le=10 * 365 * 86_400)] = 30 * 86_400
    """Seconds that a dead letter is kept once it is closed; longer than events may come again (a topic's retention)."""
    write_deadline: Seconds = 10.0
    """How long a write whose outcome is unknown is repeated before the caller is told so."""
    catch_up_interval: Seconds = 60.0
    """How often inline indexing looks for what a failure or another process left behind."""
    sweep_interval: Seconds = 3600.0
    """How often inline indexing removes what has outlived its grace."""
    read_repair: Annotated[int, Field(ge=0)] = 0
    """How many repairs a minute searches may ask for when they find what the source no longer holds; 0 for none."""
    read_ahead: Count = 500
    """Rows that a listing reads at a time."""
    limits: LimitSettings = LimitSettings()
    rates: RateSettings = RateSettings()
    """What each tenant may ask of this process in a second: whoever asks for more is told when to try again."""
    quotas: QuotaSettings = QuotaSettings()
    """What each tenant may hold: what would be beyond it is refused before anything is written."""
    searches_at_once: Count = 64
    """Searches that are under way in this process, their queries' embedding included; further ones wait for their turn."""
    search_deadline: Seconds = 60.0
    """How long a search may take, its wait for a turn included."""
    group_commit: GroupSettings = GroupSettings()
    inline_indexing: GroupSettings = GroupSettings(max_bytes=4_000_000)
    """How many puts share a batch when they index inline."""
    indexing_settings: IndexingSettings = IndexingSettings()

    @field_validator("store")
    @classmethod
    def _store_is_known(cls, url: str) -> str:
        if url.startswith(CQL):
            _expect_whole(url)
        elif not url.startswith(SQLITE) or url == SQLITE or "?" in url or "#" in url:
            raise ValueError("must be sqlite:///PATH (four slashes for an absolute path), sqlite:///:memory: or cql://HOST/KEYSPACE")
        return url

    @field_validator("index")
    @classmethod
    def _index_is_known(cls, url: str) -> str:
        if url == MEMORY or (url.startswith(PATH) and url != PATH):
            return url
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be path:FOLDER, :memory: or the URL of a Qdrant server such as http://localhost:6333")
        if parts.username or parts.password:
            raise ValueError("must not hold a user or password: put the key into index_api_key")
        return url

    @field_validator("embedder")
    @classmethod
    def _embedder_is_known(cls, embedder: str) -> str:
        named(embedder)
        return embedder

    @model_validator(mode="after")
    def _grace_outlives_attempts(self) -> Self:
        if self.tombstone_grace <= self.write_deadline:
            raise ValueError("tombstone_grace must be longer than write_deadline: give it hours or days")
        return self

    @model_validator(mode="after")
    def _embedder_is_whole(self) -> Self:
        expect_whole(self.embedder, self.embedding)
        return self

    @model_validator(mode="after")
    def _next_is_another(self) -> Self:
        if self.next is not None and (self.next.embedder, self.next.embedding) == (self.embedder, self.embedding):
            raise ValueError("next names the embedder that is in use: name the other one, or take `next` out")
        return self

    @property
    def for_next(self) -> "StoreSettings | None":
        """The same settings with the next model in the place of the one in use; None where there is none."""
        if self.next is None:
            return None
        return self.model_copy(update={"embedder": self.next.embedder, "embedding": self.next.embedding, "next": None})

    @property
    def cql_settings(self) -> CqlSettings | None:
        """Where the servers are and how they are talked to; None for a file."""
        if not self.store.startswith(CQL):
            return None
        return CqlSettings.model_validate({**self.cql.model_dump(exclude_unset=True), **address(self.store)})

    @property
    def migrates(self) -> bool:
        """Opening brings the schema up to date."""
        return self.migrate if self.migrate is not None else self.cql_settings is None

    @property
    def sqlite_path(self) -> str:
        """The file that `store` names, or ``:memory:``."""
        return self.store.removeprefix(SQLITE)

    @property
    def local_index(self) -> bool:
        """The index lives in this process, and no other may open it."""
        return self.index == MEMORY or self.index.startswith(PATH)

    @property
    def inline(self) -> bool:
        """A put returns once the index has it."""
        return self.indexing == "inline" or (self.indexing is None and self.local_index)

    @property
    def tombstone_grace_us(self) -> int:
        """The grace in microseconds, the unit of all times inside."""
        return int(self.tombstone_grace * 1e6)


def _expect_whole(url: str) -> None:
    """Raise ValueError, which names what is wrong, where the address is no keyspace's."""
    try:
        CqlSettings.model_validate(address(url))
    except ValidationError as error:
        raise ValueError("; ".join(f"its {name} is wrong: {said}" for name, said in problems(error))) from None


def store_settings(**given: object) -> StoreSettings:
    """Settings from keyword arguments. Raises ConfigurationError that names each wrong one and the remedy."""
    try:
        return StoreSettings.model_validate(given)
    except ValidationError as error:
        raise explain(error) from None
