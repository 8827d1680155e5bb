"""One session in batches against a loopback server, run in this process, as often as wanted."""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Protocol, cast

from config.batch_limits import BATCH_LIMITS, BatchLimits
from config.collection_settings import CollectionSettings
from config.environment import Environment
from models.wire.client_pool import ClientPool
from runners.batch.batch_run import BatchWishes
from runners.collection_runner import RunOutcome
from runners.session.collection_plan import plan_collection
from runners.session.run_models import build_models
from runners.session.session_run import run_session, session_metadata
from storage.records.batch_ledger import BatchLedger
from storage.sessions import create_session, open_session
from storage.solution_store import SolutionStore
from tests.support.command import pointed_at
from tests.support.datasets import write_dataset
from tests.support.provider_server import ProviderServer
from tests.support.session_check import Answers, answers_in, failures_in, lines_of

Lines = list[dict[str, Any]]


class BatchSession:
    """A session of some models in batches; run it once, then resume it.

    after_creation: changes to the settings from the second run on.
    """

    def __init__(
        self,
        server: ProviderServer,
        folder: Path,
        *,
        problems: int = 5,
        models: tuple[str, ...] = ("gpt-4o",),
        **settings: Any,
    ) -> None:
        self.folder = folder / "out" / "s"
        self._root = folder
        dataset = write_dataset(folder / "data", {"sums": problems})
        self.settings = CollectionSettings(
            models=models,
            dataset_path=dataset,
            output_dir=folder / "out",
            extraction="regex",
            batch=True,
            grace_seconds=0.5,
        )
        self.settings = dataclasses.replace(self.settings, **settings)
        self.variables = pointed_at(server)

    async def run(
        self, *, detach: bool = False, cancel: bool = False, release: bool = False
    ) -> RunOutcome:
        """Run the session from its beginning, or from where it is."""
        environment = Environment.load(self._root, self.variables)
        plan = plan_collection(self.settings, environment, self._root, date.today())
        clients = ClientPool()
        models = build_models(plan, environment, clients)

        def open_store() -> SolutionStore:
            if self.folder.exists():
                return open_session(self.folder.parent, "s")
            return create_session(self.folder.parent, "s", session_metadata(plan, 1e9))

        wishes = BatchWishes(detach=detach, cancel=cancel)
        _, outcome = await run_session(
            *(plan, models, clients, open_store, "json"), release=release, wishes=wishes
        )
        return outcome

    @property
    def answers(self) -> Answers:
        return answers_in(self.folder)

    @property
    def failures(self) -> dict[tuple[str, str], dict[str, Any]]:
        return failures_in(self.folder)

    @property
    def steps(self) -> list[str]:
        """The ledger's steps, in their order."""
        return [line["step"] for line in self.ledger_lines]

    @property
    def ledger_lines(self) -> Lines:
        return lines_of(self.folder / "batches.jsonl")

    @property
    def ledger(self) -> BatchLedger:
        return BatchLedger(self.folder)

    @property
    def spending(self) -> dict[str, Any]:
        found = json.loads((self.folder / "spending.json").read_bytes())
        return cast(dict[str, Any], found)

    @property
    def answers_usd(self) -> float:
        return float(sum(record["cost_usd"] for record in self.answers.values()))


class Sells(Protocol):
    """A server that counts what it sells: (model, task) -> good answers to it."""

    @property
    def billed(self) -> Counter[tuple[str, str]]:
        """What was sold in batches and live."""


@contextmanager
def hasty_limits(provider: str | None = None, **changes: Any) -> Iterator[None]:
    """Have batches looked at every few milliseconds.

    changes: further facts, of one provider or of all.
    """
    limits = cast(dict[str, BatchLimits], BATCH_LIMITS)
    kept = dict(limits)
    hasty = {
        "first_look_seconds": 0.01,
        "longest_look_seconds": 0.02,
        "absent_seconds": 0.4,
        "no_file_seconds": 0.3,
    }
    for name, facts in kept.items():
        further = changes if provider in (None, name) else {}
        limits[name] = dataclasses.replace(facts, **(hasty | further))
    try:
        yield
    finally:
        limits.update(kept)


def twice_billed(server: Sells) -> Counter[tuple[str, str]]:
    """Return what was sold more than once."""
    return Counter({task: times for task, times in server.billed.items() if times > 1})
