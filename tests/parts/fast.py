"""An event loop whose time goes faster: every sleep, time-out and back-off in it is shorter by that much, what crosses a wire is not."""

import asyncio
import selectors


class FastSelector(selectors.DefaultSelector):
    """Waits a fraction of what it is told to."""

    def __init__(self, speed: float) -> None:
        super().__init__()
        self._speed = speed

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(timeout / self._speed if timeout else timeout)


class FastLoop(asyncio.SelectorEventLoop):
    """`asyncio.Runner(loop_factory=lambda: FastLoop(100))`: a hundred seconds in one."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        super().__init__(FastSelector(speed))

    def time(self) -> float:
        return super().time() * self._speed
