"""The directory of namespaces: one partition a tenant, changed by conditional inserts alone.

What is fixed at a namespace's first write never changes, so a process asks for it once.
"""

from collections.abc import Sequence

from syncline_contracts.identity import Namespace
from syncline_store import namespace_settings as settings
from syncline_store.engines.columns import decoded, encoded
from syncline_store.engines.cql.bounded import Bounded
from syncline_store.engines.cql.session import CqlSession
from syncline_store.engines.cql.statements import namespaces as statements
from syncline_store.engines.cursor import decode_cursor, encode_cursor, foreign_cursor
from syncline_store.engines.protocol import NamespaceSettings, Page

KNOWN = 100_000
"""Namespaces whose settings are remembered."""
PAGE = 5_000


class CqlNamespaces:
    """Namespaces and their settings."""

    def __init__(self, session: CqlSession) -> None:
        self._session = session
        self._known: Bounded[tuple[str, str], NamespaceSettings] = Bounded(KNOWN)

    async def ensure(self, tenant: str, namespace: Namespace, wanted: NamespaceSettings) -> NamespaceSettings:
        """The first writer's settings. A conditional insert whose answer was lost is read back like any other."""
        name = encoded(namespace)
        if found := await self._get(tenant, name):
            return found
        await self._session.run(statements.ADD, tenant, name, wanted.buckets, settings.encoded(wanted))
        return await self._get(tenant, name) or wanted

    async def get(self, tenant: str, namespace: Namespace) -> NamespaceSettings | None:
        """The settings, where anything was ever written."""
        return await self._get(tenant, encoded(namespace))

    async def list(self, tenant: str, prefix: Namespace, after: str | None, limit: int) -> Page[Namespace]:
        """A page in order. Raises InvalidQuery for a cursor that is not this listing's."""
        start = encoded(prefix)
        last: str | None = None
        if after is not None:
            (last,) = decode_cursor(after, str)
            if not last.startswith(start):
                raise foreign_cursor(after)
        found = await self.below(tenant, start, last, limit)
        more = encode_cursor(found[-1][0]) if limit and len(found) == limit else None
        return Page([decoded(name) for name, _ in found], more)

    async def declarations(self, tenant: str, prefix: Namespace) -> Sequence[tuple[Namespace, NamespaceSettings]]:
        """Reads all namespaces there, a page at a time: one partition, small rows."""
        start = encoded(prefix)
        found: dict[str, tuple[Namespace, NamespaceSettings]] = {}
        async for page in self._session.pages(statements.LIST_SETTINGS, tenant, start, size=PAGE):
            for namespace, buckets, fields in page:
                if not namespace.startswith(start):
                    return list(found.values())
                if fields.startswith("{") and fields not in found:
                    found[fields] = decoded(namespace), settings.decoded(buckets, fields)
        return list(found.values())

    async def below(self, tenant: str, start: str, last: str | None, limit: int) -> Sequence[tuple[str, int]]:
        """Encoded namespaces with their buckets: at and below an encoded prefix, behind `last` where it is given."""
        if not limit:
            return []
        statement, bound = (statements.LIST, start) if last is None else (statements.LIST_ON, last)
        found = await self._session.run(statement, tenant, bound, limit)
        return [(namespace, buckets) for namespace, buckets in found if namespace.startswith(start)]

    async def buckets(self, tenant: str, namespace: str) -> int | None:
        """How many a namespace (encoded) has, None where nothing was ever written."""
        found = self._known.get((tenant, namespace)) or await self._get(tenant, namespace)
        return None if found is None else found.buckets

    def known_buckets(self, tenant: str, namespace: str) -> int | None:
        """The same without asking the servers: None where this process does not know."""
        found = self._known.get((tenant, namespace))
        return None if found is None else found.buckets

    async def _get(self, tenant: str, namespace: str) -> NamespaceSettings | None:
        if known := self._known.get((tenant, namespace)):
            return known
        for buckets, fields in await self._session.run(statements.GET, tenant, namespace):
            found = settings.decoded(buckets, fields)
            self._known.put((tenant, namespace), found)
            return found
        return None
