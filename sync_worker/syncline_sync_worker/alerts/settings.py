"""Settings of the alerts."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from syncline_store.settings import Settings


class AlertSettings(Settings):
    """Durations are seconds."""

    urls: SecretStr | None = None
    """Apprise's URLs, such as ``slack://…`` and ``mailto://…``, with spaces or line breaks between them: whoever knows them can write
    there. None: nobody is told."""
    cool_down: Annotated[float, Field(ge=0)] = 3600.0
    """The same drift is told of again after this time; what is new, or graver, at once."""
    critical_from: Annotated[int, Field(ge=1)] = 100
    """So many documents that drifted are critical; fewer are a warning."""
    least: Literal["warning", "critical"] = "warning"
    """What is less grave is told to nobody."""
