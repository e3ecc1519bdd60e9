"""How much one tenant may ask for a second, so that it leaves the others theirs. Each process counts for itself."""

import time
from typing import TYPE_CHECKING

from syncline_contracts.errors import RateLimited
from syncline_store.settings import RateSettings

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.strategies import RateLimiter

WRITES, SEARCHES = "writes", "searches"


class Rates:
    """Counts what each tenant asked for within the last second. Sync, a few µs a time, nothing without a limit."""

    def __init__(self, settings: RateSettings) -> None:
        self._everybody: dict[str, RateLimitItem] = {}
        self._own: dict[tuple[str, str], RateLimitItem | None] = {}
        self._window: RateLimiter | None = None
        own = {(tenant, what): getattr(settings.of(tenant), what) for tenant in settings.tenants for what in (WRITES, SEARCHES)}
        if settings.writes or settings.searches or any(own.values()):
            from limits import RateLimitItemPerSecond  # noqa: PLC0415 - takes a tenth of a second to import, for those who limit
            from limits.storage import MemoryStorage  # noqa: PLC0415 - as above
            from limits.strategies import MovingWindowRateLimiter  # noqa: PLC0415 - as above

            most = {WRITES: settings.writes, SEARCHES: settings.searches}
            self._everybody = {what: RateLimitItemPerSecond(number) for what, number in most.items() if number}
            self._own = {whose: RateLimitItemPerSecond(number) if number else None for whose, number in own.items()}
            self._window = MovingWindowRateLimiter(MemoryStorage())

    def take(self, tenant: str, what: str) -> None:
        """Count one. Raises RateLimited, which says when to come again, where the second is used up."""
        if self._window is None:
            return
        limit = self._own.get((tenant, what), self._everybody.get(what))
        if limit is None or self._window.hit(limit, tenant, what):
            return
        wait = max(0.0, self._window.get_window_stats(limit, tenant, what).reset_time - time.time())
        raise RateLimited(f"{tenant!r} has had its {limit.amount} {what} of this second: try again in {wait:.2f} s", retry_after=wait)
