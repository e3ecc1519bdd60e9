"""Everything that a process of Syncline can be told, in one model: the store's settings, and a group for each further part."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from syncline_store.settings import Settings, StoreSettings
from syncline_sync_worker.handler.settings import HandlerSettings
from syncline_sync_worker.reconcile.settings import ReconcileSettings
from syncline_sync_worker.relay.settings import RelaySettings
from syncline_sync_worker.transport.kafka.settings import KafkaSettings

DATABASE = "documents.db"
INDEX = "index"


class HttpSettings(Settings):
    """Where relay and worker answer for their health and metrics."""

    host: str = "127.0.0.1"
    """``0.0.0.0`` in a container: nothing that is served there is secret, and nothing can be changed."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    """0: a free one, which the log names."""


class LogSettings(Settings):
    """What a process says of what it does, on stderr."""

    form: Literal["console", "json"] = "console"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Configuration(StoreSettings):
    """A store's settings, and those of the processes around it. Durations are seconds."""

    data: Path = Path("syncline-data")
    """The folder of documents and index, where `store` and `index` do not say otherwise."""
    kafka: KafkaSettings | None = None
    """None: relay and worker are one process (`syncline run`), and events go from hand to hand."""
    relay: RelaySettings = RelaySettings()
    handling: HandlerSettings = HandlerSettings()
    reconcile: ReconcileSettings = ReconcileSettings()
    http: HttpSettings = HttpSettings()
    log: LogSettings = LogSettings()

    @model_validator(mode="before")
    @classmethod
    def _beside_each_other(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        data = Path(given.get("data", cls.model_fields["data"].default)).absolute()
        return {"store": f"sqlite:///{data / DATABASE}", "index": f"path:{data / INDEX}"} | given

    @model_validator(mode="after")
    def _deadlines_fit(self) -> Self:
        if self.handling.deadline >= self.tombstone_grace:
            raise ValueError("handling.deadline must be shorter than tombstone_grace: deleted documents could come back")
        if self.kafka is not None and self.kafka.consumer.max_poll_interval <= self.handling.deadline:
            raise ValueError("kafka.consumer.max_poll_interval must be longer than handling.deadline: a busy worker would leave its group")
        return self
