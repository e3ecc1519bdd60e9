"""Sends alerts through Apprise. Its package is the extra ``alerts``."""

import logging
import warnings
from typing import TYPE_CHECKING

import structlog

from syncline_contracts.errors import ConfigurationError
from syncline_sync_worker.alerts.alarm import Alert, Severity
from syncline_sync_worker.alerts.settings import AlertSettings

if TYPE_CHECKING:
    import apprise

log = structlog.get_logger(__name__)

_TYPES = {Severity.RESOLVED: "success", Severity.WARNING: "warning", Severity.CRITICAL: "failure"}
"""What Apprise calls them."""


class Sender:
    """Nobody's inbox where no URL is configured. Raises ConfigurationError for a URL that Apprise cannot make anything of."""

    def __init__(self, settings: AlertSettings) -> None:
        urls = [] if settings.urls is None else settings.urls.get_secret_value().split()
        self._apprise = _apprise(urls) if urls else None

    async def send(self, alert: Alert) -> bool:
        """Whether everybody was told. What failed is logged without its URL, which is a secret."""
        if self._apprise is None:
            return True
        sent = await self._apprise.async_notify(body=alert.body, title=alert.title, notify_type=_TYPES[alert.severity])
        if not sent:
            log.warning("an alert could not be sent to everybody", title=alert.title)
        return bool(sent)


def _apprise(urls: list[str]) -> "apprise.Apprise":
    try:
        import apprise  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise ConfigurationError("alerts.urls needs Apprise: pip install 'syncline-worker[alerts]'") from error
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its lines name addresses
    told = apprise.Apprise()
    for number, url in enumerate(urls, 1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of the modules that its services import, at the first URL
            added = told.add(url)
        if not added:
            kind = url.partition("://")[0] if "://" in url else "what stands there"
            raise ConfigurationError(f"alerts.urls: Apprise makes nothing of the {number}. URL ({kind}): see its page of services")
    return told
