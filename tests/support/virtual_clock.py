"""A clock that jumps: simulated hours pass in the time that their events take."""

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

T = TypeVar("T")
WALL_CLOCK_AT_START = 1_700_000_000.0


class _JumpingSelector(selectors.BaseSelector):
    """Never waits: where the loop would sleep, it moves the time on instead."""

    def __init__(self) -> None:
        self.now = 0.0
        self._inner = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("deadlock: everything waits and no timer is set")
        self.now += max(0.0, timeout)
        return self._inner.select(0) if timeout > 0 else []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._inner.get_map()

    def close(self) -> None:
        self._inner.close()


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, selector: _JumpingSelector) -> None:
        self._jumping = selector
        super().__init__(selector)

    def time(self) -> float:
        return self._jumping.now


class VirtualClock:
    """A config.clock.Clock for programs without input and output.

    A program that waits for nothing that can happen fails as a deadlock, at once.
    """

    def __init__(self) -> None:
        self._selector = _JumpingSelector()

    def time(self) -> float:
        return WALL_CLOCK_AT_START + self._selector.now

    def monotonic(self) -> float:
        return self._selector.now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Return what the coroutine returns, run in virtual time; once per clock."""
        with asyncio.Runner(loop_factory=lambda: _VirtualLoop(self._selector)) as runner:
            return runner.run(main)
