"""Everything that a process of Syncline can be told, in one model: the store's settings, and a group for each further part."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from syncline_store.settings import MEMORY, Settings, StoreSettings
from syncline_sync_worker.alerts.settings import AlertSettings
from syncline_sync_worker.handler.settings import HandlerSettings
from syncline_sync_worker.reconcile.settings import ReconcileSettings, WatchSettings
from syncline_sync_worker.relay.settings import RelaySettings
from syncline_sync_worker.transport.kafka.settings import KafkaSettings

DATABASE = "documents.db"
INDEX = "index"


def in_folder(data: Path | str) -> dict[str, str]:
    """The settings of both sides beside each other in one folder."""
    folder = Path(data).absolute()
    return {"store": f"sqlite:///{folder / DATABASE}", "index": f"path:{folder / INDEX}"}


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
    watch: WatchSettings = WatchSettings()
    alerts: AlertSettings = AlertSettings()
    http: HttpSettings = HttpSettings()
    log: LogSettings = LogSettings()

    @property
    def database(self) -> Path | None:
        """The file that holds the documents; None where servers or the memory do."""
        return None if self.cql_settings is not None or self.sqlite_path == MEMORY else Path(self.sqlite_path)

    @property
    def where(self) -> str:
        """The folder or, where a side is not in it, both addresses."""
        beside = {"store": self.store, "index": self.index} == in_folder(self.data)
        return str(self.data) if beside else f"{self.store} and {self.index}"

    @model_validator(mode="before")
    @classmethod
    def _beside_each_other(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return in_folder(given.get("data", cls.model_fields["data"].default)) | given

    @model_validator(mode="after")
    def _deadlines_fit(self) -> Self:
        if self.handling.deadline >= self.tombstone_grace:
            raise ValueError("handling.deadline must be shorter than tombstone_grace: deleted documents could come back")
        if self.kafka is not None and self.kafka.consumer.max_poll_interval <= self.handling.deadline:
            raise ValueError("kafka.consumer.max_poll_interval must be longer than handling.deadline: a busy worker would leave its group")
        return self
