"""One batch wire on the bench: its loopback server, its API, and a batch on the disk."""

import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

from config.model_configs import select_models
from models.base_model import BaseModel, CallOptions, Completion, make_model
from models.batch.batch_api import BatchApi, BatchInput, BatchRow, BatchStatus, Created
from models.batch.batch_apis import batch_api
from models.wire.client_pool import ClientPool
from prompts.prompt_template import Prompt
from tests.support.batch_server.anthropic_server import AnthropicBatchServer
from tests.support.batch_server.batch_wire import BatchWire
from tests.support.batch_server.google_server import GoogleBatchServer
from tests.support.batch_server.together_server import TogetherBatchServer
from tests.support.batch_server.xai_server import XAIBatchServer
from tests.support.wire import key_of

WIRES: Mapping[str, tuple[Callable[[], BatchWire], str]] = {
    "anthropic": (AnthropicBatchServer, "claude-haiku-4-5"),
    "google": (GoogleBatchServer, "gemini-2.5-flash-lite"),
    "together": (TogetherBatchServer, "llama-3.3-70b-instruct-turbo"),
    "xai": (XAIBatchServer, "grok-4.3"),
}
TOKEN = "abcd1234"


def prompt_of(number: int) -> Prompt:
    """Return what a row asks."""
    text = f"Write `func`, the sums_{number} of all; name it exactly `solve_{number}`. 中\u2028"
    return Prompt(system="You write Python.", user=text)


@dataclass(slots=True)
class Bench:
    """A wire and its server. since: when the test began."""

    server: BatchWire
    model: BaseModel
    api: BatchApi
    folder: Path
    since: float = field(default_factory=time.time)

    @classmethod
    def of(
        cls,
        server: BatchWire,
        clients: ClientPool,
        folder: Path,
        options: CallOptions | None = None,
    ) -> "Bench":
        """Return a bench; folder: where lines are put."""
        (config,) = select_models([WIRES[server.provider][1]])
        model = make_model(
            config,
            api_key=key_of(server.provider),
            base_url=server.url(server.provider),
            options=options,
            clients=clients,
        )
        api = batch_api(model)
        assert api is not None
        return cls(server, model, api, folder)

    def batch(self, rows: int, token: str = TOKEN) -> BatchInput:
        """Return a batch whose lines are on the disk."""
        path = self.folder / f"{token}.jsonl"
        lines = [self.api.line(f"{token}-{n}", prompt_of(n)) for n in range(1, rows + 1)]
        path.write_bytes(b"".join(lines))
        return BatchInput(
            token=token, rows=rows, size=path.stat().st_size, open_lines=lambda: path.open("rb")
        )

    async def created(self, batch: BatchInput) -> str:
        """Return the id of a batch, created without trouble."""
        outcome = await self.api.create(batch, await self.api.prepare(batch))
        assert isinstance(outcome, Created), outcome
        return outcome.batch_id

    async def ended(self, batch_id: str, looks: int = 12) -> BatchStatus:
        """Return how a batch has ended, and names all that it has to give."""
        for _ in range(looks):
            status = await self.api.poll(batch_id)
            if status.phase != "running" and not status.may_name_more:
                return status
        raise AssertionError(f"still {status}")

    async def fetched(self, status: BatchStatus) -> bytes:
        """Return the results as they would stand on the disk."""
        content = b""
        async with aclosing(self.api.results(status)) as pieces:  # type: ignore[type-var]
            async for piece in pieces:
                content += piece
        return content

    async def rows(self, status: BatchStatus) -> list[BatchRow]:
        """Return all rows."""
        lines = (await self.fetched(status)).split(b"\n")
        return [row for line in lines if (row := self.api.read_row(line))]

    async def landed(self, rows: int) -> dict[str, BatchRow]:
        """Return custom_id -> row of a whole batch, from the create to the end."""
        status = await self.ended(await self.created(self.batch(rows)))
        return {row.custom_id: row for row in await self.rows(status)}


def text_of(row: BatchRow) -> str:
    """Return an answer's text."""
    assert isinstance(row.result, Completion), row.result
    return row.result.text
