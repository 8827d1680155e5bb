"""Several keys for one provider: each is a lane of its own, and all work on the same tasks."""

import asyncio
import json
import signal
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.command import Command, Finished, run
from tests.support.datasets import write_dataset
from tests.support.keyed_server import (
    BAD_REQUEST,
    NO_QUOTA,
    OUT_OF_RATE,
    REFUSED_KEY,
    Account,
    KeyedServer,
    always,
    good,
    good_for,
    key_sent,
)
from tests.support.session_check import check_agreement, read_object

TASKS = 12
FIRST, SECOND, THIRD = (f"sk-proj-{digit}{'0a1b2c3d' * 5}" for digit in "123")
TWO = {"OPENAI_API_KEY": FIRST, "OPENAI_API_KEY_2": SECOND}
THREE = {**TWO, "OPENAI_API_KEY_7": THIRD}


class Bench:
    """A server of some accounts, a dataset of TASKS problems, and a session that asks them."""

    def __init__(
        self, folder: Path, accounts: Mapping[str, Account], *, latency_seconds: float = 0.02
    ) -> None:
        self.server = KeyedServer(accounts, latency_seconds=latency_seconds)
        self._folder = folder
        dataset = write_dataset(folder / "data", {"sums": TASKS})
        self._where = ("--output-dir", str(folder / "out"))
        self._what = ("--models", "gpt-4o", "--dataset-path", str(dataset), "--session-id", "s")

    async def start(self, keys: Mapping[str, str], *flags: str) -> Command:
        return await Command.start(
            *("run_collection.py", *self._what, *self._where, "--extraction", "regex", *flags),
            environment=self._variables(keys),
        )

    async def collect(self, keys: Mapping[str, str], *flags: str) -> Finished:
        return self._silent_about_keys(await (await self.start(keys, *flags)).finished())

    async def resume(self, keys: Mapping[str, str]) -> Finished:
        finished = await run(
            "resume_collection.py", "s", *self._where, environment=self._variables(keys)
        )
        return self._silent_about_keys(finished)

    @property
    def session(self) -> Path:
        return self._folder / "out" / "s"

    @property
    def answered(self) -> Counter[str]:
        """How many calls with each key got a good answer."""
        return Counter(key_sent(self.server.requests[place]) for place in self.server.answered)

    def _variables(self, keys: Mapping[str, str]) -> dict[str, str]:
        return {**keys, "OPENAI_BASE_URL": self.server.url("openai")}

    def _silent_about_keys(self, finished: Finished) -> Finished:
        """Return how a command ended, once no key was found in what it said and wrote."""
        files = [path for path in self._folder.rglob("*") if path.is_file()]
        texts = [finished.output, *(path.read_text(errors="replace") for path in files)]
        for key in THREE.values():
            assert not any(key[12:] in text for text in texts)
        return finished


async def test_a_key_that_ends_leaves_its_tasks_to_the_others(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {FIRST: good, SECOND: always(REFUSED_KEY), THIRD: always(NO_QUOTA)})
    async with bench.server:
        finished = await bench.collect(THREE, "--progress", "json")
    assert finished.exit_code == 0, finished.output
    [shown] = json.loads(finished.stderr.splitlines()[-1])["models"]
    assert (shown["label"], shown["answered"], shown["total"]) == ("gpt-4o", TASKS, TASKS)
    assert "openai: 3 keys (OPENAI_API_KEY, OPENAI_API_KEY_2, OPENAI_API_KEY_7)" in finished.stdout
    for variable, reason in (("OPENAI_API_KEY_2", 401), ("OPENAI_API_KEY_7", 429)):
        line = f"gpt-4o: {variable} is not used any more, its tasks go to another key: openai answ"
        assert finished.output.count(f"{line}ered {reason}") == 1
    assert "stopped early" not in finished.output
    assert len(check_agreement(bench.session)) == TASKS
    assert len(bench.server.answered) == TASKS, "no task is asked twice"
    assert not (bench.session / "failures.jsonl").exists()


async def test_two_keys_do_in_one_go_what_takes_one_of_them_twice_its_limit(tmp_path: Path) -> None:
    """Each takes half of the tasks, and then nothing for an hour."""
    half = good_for(TASKS // 2, OUT_OF_RATE), good_for(TASKS // 2, OUT_OF_RATE)
    bench = Bench(tmp_path, dict(zip(TWO.values(), half, strict=True)))
    async with bench.server:
        finished = await bench.collect(TWO)
    assert finished.exit_code == 0, finished.output
    assert bench.answered == {FIRST: TASKS // 2, SECOND: TASKS // 2}
    assert len(check_agreement(bench.session)) == TASKS
    scopes = list(read_object(bench.session / "rate_limits.json")["keys"])
    assert len(scopes) == 2, "each key has its own limits"


@pytest.mark.slow
async def test_a_model_is_closed_once_all_of_its_keys_are_and_a_resume_with_others_goes_on(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, {FIRST: good_for(3, NO_QUOTA), THIRD: good})
    async with bench.server:
        finished = await bench.collect(TWO)
        assert finished.exit_code == 1, finished.output
        [closing] = [line for line in finished.stdout.splitlines() if "stopped early" in line]
        assert "OPENAI_API_KEY: openai answered 429" in closing
        assert "OPENAI_API_KEY_2: openai answered 401" in closing
        assert len(check_agreement(bench.session)) == 3
        resumed = await bench.resume({"OPENAI_API_KEY_3": THIRD})
    assert resumed.exit_code == 0, resumed.output
    assert len(check_agreement(bench.session)) == TASKS
    assert bench.answered == {FIRST: 3, THIRD: TASKS - 3}


@pytest.mark.slow
async def test_a_key_whose_every_request_is_refused_spoils_no_task(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {FIRST: good, SECOND: always(BAD_REQUEST)})
    async with bench.server:
        finished = await bench.collect(TWO)
    assert finished.exit_code == 0, finished.output
    assert len(check_agreement(bench.session)) == TASKS
    assert not (bench.session / "failures.jsonl").exists()


@pytest.mark.slow
async def test_a_key_that_is_refused_for_long_is_dropped(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {FIRST: always(OUT_OF_RATE), SECOND: good}, latency_seconds=0.8)
    async with bench.server:
        finished = await bench.collect(TWO, "--task-timeout", "4", "--max-concurrent", "1")
    assert finished.exit_code == 0, finished.output
    line = (
        "OPENAI_API_KEY is not used any more, its tasks go to another key: every call was refused"
    )
    assert finished.output.count(f"gpt-4o: {line} for ") == 1
    assert len(check_agreement(bench.session)) == TASKS
    assert bench.answered == {SECOND: TASKS}
    assert not (bench.session / "failures.jsonl").exists()


@pytest.mark.slow
async def test_a_problem_that_is_refused_fails_though_there_are_two_keys(tmp_path: Path) -> None:
    bench = Bench(tmp_path, dict.fromkeys(TWO.values(), good_for(TASKS // 2 - 1, BAD_REQUEST)))
    async with bench.server:
        finished = await bench.collect(TWO)
    assert finished.exit_code == 1, finished.output
    answers = check_agreement(bench.session)
    failed = read_object(bench.session / "progress.json")["current_progress"]["failed_tasks"]
    assert (len(answers), failed) == (TASKS // 2 - 1, TASKS - (TASKS // 2 - 1))


@pytest.mark.slow
async def test_after_a_kill_a_resume_with_one_key_asks_again_what_was_in_flight(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, dict.fromkeys(THREE.values(), good))
    async with bench.server:
        command = await bench.start(TWO, "--max-concurrent", "2")
        async with asyncio.timeout(120):
            while len(bench.server.answered) < 3:
                await asyncio.sleep(0.001)
        command.send(signal.SIGKILL)
        await command.finished()
        resumed = await bench.resume({"OPENAI_API_KEY": THIRD})
    assert resumed.exit_code == 0, resumed.output
    assert "Up to 4 calls were in flight when the last run was killed" in resumed.stdout
    assert len(check_agreement(bench.session)) == TASKS
    assert len(bench.server.answered) <= TASKS + 4
    assert {SECOND, FIRST} >= set(bench.answered) - {THIRD}


@pytest.mark.slow
async def test_batches_are_made_with_the_first_key(tmp_path: Path) -> None:
    bench = Bench(tmp_path, dict.fromkeys(TWO.values(), good))
    async with bench.server:
        finished = await bench.collect(TWO, "--batch", "--dry-run")
    assert finished.exit_code == 0, finished.output
    line = "openai: 2 keys (OPENAI_API_KEY, OPENAI_API_KEY_2); batches are made with the first"
    assert line in finished.stdout


async def test_the_lists_know_how_many_keys_there_are_and_check_each(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {FIRST: good})
    variables = {**TWO, "OPENAI_API_KEY_3": FIRST}  # which is no further key
    async with bench.server:
        listed = await run("run_collection.py", "--list-models", "openai", environment=variables)
        checked = await run(
            *("run_collection.py", "--check-models", "--models", "gpt-4o"),
            environment={**variables, "OPENAI_BASE_URL": bench.server.url("openai")},
        )
    assert "  OPENAI_API_KEY: ✓ (2 keys)\n" in listed.stdout
    assert checked.exit_code == 1
    assert "? gpt-4o (openai)  OPENAI_API_KEY_2: not checked: " in checked.stdout
