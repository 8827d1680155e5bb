"""What most tests of models ask for: a server that speaks every format, and a pool of clients."""

from collections.abc import AsyncIterator

import pytest

from models.wire.client_pool import ClientPool
from tests.support.provider_server import ProviderServer


@pytest.fixture
async def server() -> AsyncIterator[ProviderServer]:
    async with ProviderServer() as opened:
        yield opened


@pytest.fixture
async def clients() -> AsyncIterator[ClientPool]:
    async with ClientPool() as opened:
        yield opened
