"""What one tenant may ask for and hold, so that it leaves the others theirs. Nothing is bounded unless said."""

from typing import Any, TypeVar

from pydantic import Field

from syncline_store.settings.base import Count, Settings

S = TypeVar("S", bound=Settings)


class Rate(Settings):
    """What a tenant may ask of one process in a second."""

    writes: Count | None = None
    searches: Count | None = None


class RateSettings(Rate):
    """Every tenant's rates, and those of the tenants that have others."""

    tenants: dict[str, Rate] = Field(default_factory=dict)
    """What is not said there is as for everybody; ``null`` is no limit."""

    def of(self, tenant: str) -> Rate:
        """The tenant's own where it has any."""
        return _of(Rate, self, self.tenants.get(tenant))


class Quota(Settings):
    """What a tenant may hold: living documents, and bytes of their values as canonical JSON in UTF-8."""

    documents: Count | None = None
    bytes: Count | None = None


class QuotaSettings(Quota):
    """Every tenant's quota, and those of the tenants that have another."""

    tenants: dict[str, Quota] = Field(default_factory=dict)
    """What is not said there is as for everybody; ``null`` is no limit."""

    def of(self, tenant: str) -> Quota:
        """The tenant's own where it has one."""
        return _of(Quota, self, self.tenants.get(tenant))


def _of(kind: type[S], everybody: Settings, own: Settings | None) -> S:
    """What `own` says goes before what is said for everybody."""
    said: dict[str, Any] = {name: getattr(everybody, name) for name in kind.model_fields}
    if own is not None:
        said |= {name: getattr(own, name) for name in own.model_fields_set}
    return kind.model_validate(said)
