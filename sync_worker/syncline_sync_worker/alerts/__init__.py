"""Who is told of drift: when (`alarm`), how grave (`settings`), and over which of Apprise's hundred services (`sending`)."""

from syncline_sync_worker.alerts.alarm import Alarm, Alert, Severity
from syncline_sync_worker.alerts.settings import AlertSettings

__all__ = ["Alarm", "Alert", "AlertSettings", "Severity"]
