"""Settings of the store: plain frozen models. Nothing here reads the environment or a file; the caller does, or has no need to."""

from syncline_store.settings.base import Count, Seconds, Settings, explain, problems
from syncline_store.settings.cql import CqlOptions, CqlSettings, ReplicationSettings, TlsSettings, cql_settings
from syncline_store.settings.embedding import EmbeddingSettings, NextSettings
from syncline_store.settings.store import (
    MEMORY,
    GroupSettings,
    IndexingSettings,
    LimitSettings,
    StoreSettings,
    store_settings,
)
from syncline_store.settings.tenants import Quota, QuotaSettings, Rate, RateSettings

__all__ = [
    "MEMORY",
    "Count",
    "CqlOptions",
    "CqlSettings",
    "EmbeddingSettings",
    "GroupSettings",
    "IndexingSettings",
    "LimitSettings",
    "NextSettings",
    "Quota",
    "QuotaSettings",
    "Rate",
    "RateSettings",
    "ReplicationSettings",
    "Seconds",
    "Settings",
    "StoreSettings",
    "TlsSettings",
    "cql_settings",
    "explain",
    "problems",
    "store_settings",
]
