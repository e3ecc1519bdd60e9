"""What is known of namespaces: each is asked for once a process, as far as memory is given to it. Settings never change."""

from syncline_contracts.identity import Namespace
from syncline_store.engines.protocol import Namespaces, NamespaceSettings

AT_MOST = 10_000
DEFAULT = NamespaceSettings()


class Directory:
    """A bounded memory of the namespace directory; the namespaces known longest are forgotten first."""

    def __init__(self, namespaces: Namespaces) -> None:
        self._namespaces = namespaces
        self._known: dict[tuple[str, Namespace], NamespaceSettings] = {}

    async def ensure(self, tenant: str, namespace: Namespace, wanted: NamespaceSettings = DEFAULT) -> NamespaceSettings:
        """The settings of the namespace, which is in the directory from now on. Raises StorageUnavailable."""
        known = self._known.get((tenant, namespace))
        return known or self._remember(tenant, namespace, await self._namespaces.ensure(tenant, namespace, wanted))

    async def settings(self, tenant: str, namespace: Namespace) -> NamespaceSettings:
        """The settings, the default's for a namespace that is not in the directory. Raises StorageUnavailable."""
        known = self._known.get((tenant, namespace)) or await self._namespaces.get(tenant, namespace)
        return DEFAULT if known is None else self._remember(tenant, namespace, known)

    def _remember(self, tenant: str, namespace: Namespace, settings: NamespaceSettings) -> NamespaceSettings:
        self._known[tenant, namespace] = settings
        if len(self._known) > AT_MOST:
            del self._known[next(iter(self._known))]
        return settings
