"""Several keys for one provider: each is a lane of its own, and all work on the same tasks."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tests.support.command import Finished, run
from tests.support.datasets import write_dataset
from tests.support.keyed_server import (
    Account,
    KeyedServer,
    good,
    key_sent,
    spent_after,
)
from tests.support.session_check import check_agreement

TASKS = 12
FIRST, SECOND, THIRD = (f"sk-proj-{digit}{'0a1b2c3d' * 5}" for digit in "123")
KEYS = {"OPENAI_API_KEY": FIRST, "OPENAI_API_KEY_2": SECOND, "OPENAI_API_KEY_7": THIRD}


class Bench:
    """A server of some accounts, and a dataset of TASKS problems."""

    def __init__(self, folder: Path, accounts: Mapping[str, Account]) -> None:
        self._folder = folder
        self._dataset = write_dataset(folder / "data", {"sums": TASKS})
        self.server = KeyedServer(accounts, latency_seconds=0.02)

    def variables(self, keys: Mapping[str, str]) -> dict[str, str]:
        return {**keys, "OPENAI_BASE_URL": self.server.url("openai")}

    async def collect(self, keys: Mapping[str, str], *flags: str) -> Finished:
        finished = await run(
            "run_collection.py",
            *("--models", "gpt-4o", "--dataset-path", str(self._dataset), "--extraction", "regex"),
            *("--output-dir", str(self._folder / "out"), "--session-id", "s", *flags),
            environment=self.variables(keys),
        )
        self._check_that_no_key_is_told(finished)
        return finished

    async def resume(self, keys: Mapping[str, str]) -> Finished:
        finished = await run(
            *("resume_collection.py", "s", "--output-dir", str(self._folder / "out")),
            environment=self.variables(keys),
        )
        self._check_that_no_key_is_told(finished)
        return finished

    @property
    def calls(self) -> Counter[str]:
        """How many calls were made with each key."""
        return Counter(map(key_sent, self.server.requests))

    def _check_that_no_key_is_told(self, finished: Finished) -> None:
        files = [path for path in self._folder.rglob("*") if path.is_file()]
        texts = [finished.output, *(path.read_text(errors="replace") for path in files)]
        for key in KEYS.values():
            assert not any(key in text for text in texts)


async def test_keys_share_the_tasks_and_one_that_is_refused_leaves_its_to_the_others(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, {FIRST: good, THIRD: spent_after(2)})
    async with bench.server:
        finished = await bench.collect(KEYS)
        assert finished.exit_code == 0, finished.output
        assert len(check_agreement(finished.session)) == TASKS
        assert len(bench.server.answered) == TASKS, "nothing was asked twice"
