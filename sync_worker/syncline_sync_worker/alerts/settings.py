"""Settings of the alerts."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from syncline_contracts.drift import DriftKind
from syncline_store.settings import Settings

Grave = Literal["warning", "critical"]


class KindSettings(Settings):
    """How grave each kind of drift is, be it of a single document. Critical is what should not be in the index, or under another name."""

    missing: Grave = "warning"
    stale: Grave = "warning"
    orphan: Grave = "critical"
    wrong_model: Grave = "warning"
    passage_gap: Grave = "warning"
    corrupt: Grave = "warning"
    payload: Grave = "critical"
    duplicate: Grave = "warning"
    expired: Grave = "warning"

    def of(self, kind: DriftKind) -> Grave:
        """Of one kind."""
        grave: Grave = getattr(self, kind.value)
        return grave


class AlertSettings(Settings):
    """Durations are seconds."""

    urls: SecretStr | None = None
    """Apprise's URLs, such as ``slack://…`` and ``mailto://…``, with spaces or line breaks between them: whoever knows them can write
    there. None: nobody is told."""
    cool_down: Annotated[float, Field(ge=0)] = 3600.0
    """The same drift is told of again after this time; what is new, or graver, at once."""
    severity: KindSettings = KindSettings()
    critical_from: Annotated[int, Field(ge=1)] = 100
    """So many documents that drifted are critical, whatever their kinds."""
    least: Grave = "warning"
    """What is less grave is told to nobody."""
