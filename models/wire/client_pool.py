"""One client per provider, base URL and key, all closed together."""

from collections.abc import Callable, Hashable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType
from typing import Self, TypeVar, cast

Client = TypeVar("Client")


class ClientPool:
    """The run's open clients; models that share an address and a key share a client."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._clients: dict[Hashable, object] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._clients.clear()
        await self._stack.aclose()

    async def get(
        self, identity: Hashable, open_client: Callable[[], AbstractAsyncContextManager[Client]]
    ) -> Client:
        """Return the client of this identity, opened on first use.

        identity: (class of client, base URL, API key), held in memory only.
        open_client must not wait for anything on entry, so that two lanes cannot open two.
        """
        if identity not in self._clients:
            self._clients[identity] = await self._stack.enter_async_context(open_client())
        return cast(Client, self._clients[identity])
