"""What is known of namespaces: each is asked for once a process, as far as memory is given to it. Settings never change."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from syncline_contracts.errors import InvalidFilter
from syncline_contracts.identity import Namespace
from syncline_store.engines.protocol import Namespaces, NamespaceSettings
from syncline_store.filters import Condition, undeclared

AT_MOST = 10_000
PREFIXES_AT_MOST = 1_000
FRESH = 5.0
"""Seconds that a process may take to hear of the fields that another one declares for a new namespace."""
DEFAULT = NamespaceSettings()


@dataclass(frozen=True, slots=True)
class _Below:
    """The different declarations at and below a prefix, and when they were read."""

    declarations: Sequence[tuple[Namespace, NamespaceSettings]]
    read_at: float


class Directory:
    """A bounded memory of the namespace directory; the namespaces known longest are forgotten first."""

    def __init__(self, namespaces: Namespaces) -> None:
        self._namespaces = namespaces
        self._known: dict[tuple[str, Namespace], NamespaceSettings] = {}
        self._below: dict[tuple[str, Namespace], _Below] = {}
        self._absent: dict[tuple[str, Namespace], float] = {}

    async def ensure(self, tenant: str, namespace: Namespace, wanted: NamespaceSettings = DEFAULT) -> NamespaceSettings:
        """The settings of the namespace, which is in the directory from now on. Raises StorageUnavailable."""
        known = self._known.get((tenant, namespace))
        if known is not None:
            return known
        found = await self._namespaces.ensure(tenant, namespace, wanted)
        if found.filterable is not None or found.hybrid is not None:
            self._below.clear()
        return self._remember(tenant, namespace, found)

    async def settings(self, tenant: str, namespace: Namespace) -> NamespaceSettings:
        """The settings, the default's for a namespace that is not in the directory. Raises StorageUnavailable."""
        known = self._known.get((tenant, namespace)) or await self._namespaces.get(tenant, namespace)
        return DEFAULT if known is None else self._remember(tenant, namespace, known)

    async def refuse_undeclared(self, tenant: str, prefix: Namespace, condition: Condition) -> None:
        """Pass a condition over fields that every namespace at and below the prefix keeps to filter by.

        Raises InvalidFilter: the index does not have the field in some documents, and would take it for absent there.
        """
        for namespace, settings in await self._declarations(tenant, prefix):
            path = None if settings.kept is None else undeclared(condition, settings.kept)
            if path is not None:
                kept = ", ".join(settings.kept or ()) or "none"
                raise InvalidFilter(
                    f"filter.{path}",
                    f"is not filterable in the namespace {namespace} (declared there: {kept}): filter by these, search elsewhere, "
                    "or use list(filter=...), which filters by any field",
                )

    async def is_hybrid(self, tenant: str, namespace: Namespace) -> bool:
        """Whether exactly this namespace asks for hybrid searches. One that is not there is looked for again after a while."""
        whose = (tenant, namespace)
        now = time.monotonic()
        if whose not in self._known and now - self._absent.get(whose, -FRESH) < FRESH:
            return False
        settings = await self.settings(*whose)
        if whose not in self._known:
            self._absent[whose] = now
            if len(self._absent) > PREFIXES_AT_MOST:
                del self._absent[next(iter(self._absent))]
        return settings.hybrid is not None

    async def languages(self, tenant: str, prefix: Namespace) -> set[str]:
        """Those of the hybrid namespaces at and below the prefix."""
        return {settings.hybrid for _, settings in await self._declarations(tenant, prefix) if settings.hybrid is not None}

    async def _declarations(self, tenant: str, prefix: Namespace) -> Sequence[tuple[Namespace, NamespaceSettings]]:
        now = time.monotonic()
        known = self._below.get((tenant, prefix))
        if known is not None and now - known.read_at < FRESH:
            return known.declarations
        found = await self._namespaces.declarations(tenant, prefix)
        self._below[tenant, prefix] = _Below(found, now)
        if len(self._below) > PREFIXES_AT_MOST:
            del self._below[next(iter(self._below))]
        return found

    def _remember(self, tenant: str, namespace: Namespace, settings: NamespaceSettings) -> NamespaceSettings:
        self._known[tenant, namespace] = settings
        if len(self._known) > AT_MOST:
            del self._known[next(iter(self._known))]
        return settings
