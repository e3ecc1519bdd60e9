"""Trying again while a part is out: jittered and ever longer, as long as the settings say, as late as the part itself asks."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_before_delay, wait_random_exponential

from syncline_contracts.errors import Unavailable
from syncline_sync_worker.handler.settings import HandlerSettings

T = TypeVar("T")


async def retrying(
    work: Callable[[], Awaitable[T]], settings: HandlerSettings, *, failed: Callable[[Unavailable], None], given_up: Callable[[], bool]
) -> T:
    """Await `work` until it does not raise Unavailable; `failed` is told of each failure that is tried again.

    Raises the last Unavailable once `given_up` says so, `retry_for` is over, or would be before the part wants to be asked again.
    """
    tries = AsyncRetrying(
        retry=retry_if_exception(lambda error: isinstance(error, Unavailable) and not given_up()),
        wait=_Wait(settings),
        stop=stop_before_delay(settings.retry_for),
        before_sleep=lambda state: failed(_error(state)),
        reraise=True,
    )

    async def once() -> T:
        return await work()

    return await tries(once)


class _Wait(wait_random_exponential):
    """Full jitter, but never shorter than a Retry-After."""

    def __init__(self, settings: HandlerSettings) -> None:
        super().__init__(multiplier=settings.first_retry, max=settings.longest_retry)

    def __call__(self, retry_state: RetryCallState) -> float:
        return max(super().__call__(retry_state), _error(retry_state).retry_after or 0.0)


def _error(state: RetryCallState) -> Unavailable:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, Unavailable) else Unavailable("no reason known")
