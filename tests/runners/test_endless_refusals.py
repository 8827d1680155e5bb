"""A provider that says 429 and nothing else: what is shown, and how long anybody waits for it."""

import asyncio
import json
import re
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.support.command import ROOT, Finished, bare_environment, pointed_at, run
from tests.support.datasets import write_dataset
from tests.support.provider_formats import Json
from tests.support.provider_server import Answer, ProviderServer, Request
from tests.support.session_check import answers_in, check_agreement, failures_in
from tests.support.slow import few
from tests.support.terminal import Terminal

WORDS = "Your team has used all of its tokens"
TASKS = 12


class RefusingServer(ProviderServer):
    """Refuses every call to xAI for its rate, in words of which a number is never the same."""

    def __init__(self, retry_after: str | None = None, *, good: int = 0) -> None:
        super().__init__()
        self._headers = {} if retry_after is None else {"Retry-After": retry_after}
        self._good = good
        self._refused = 0

    def _next_answer(self, call: Request) -> Answer:
        if call.provider != "xai" or len(self.sent_to("xai")) <= self._good:
            return super()._next_answer(call)
        self._refused += 1
        body: Json = {"error": f"{WORDS} (request r-{self._refused}77)"}
        return Answer(status=429, body=body, headers=self._headers)


async def collect(server: ProviderServer, folder: Path, *arguments: str) -> Finished:
    """Return how a run of a good model and of a refused one ended."""
    return await run(
        "run_collection.py",
        *("--models", "grok-4.3", "deepseek-flash-chat", "--output-dir", str(folder / "out")),
        *("--dataset-path", str(write_dataset(folder / "data", {"sums": TASKS})), *arguments),
        environment=pointed_at(server),
    )


@pytest.mark.slow
@pytest.mark.parametrize("retry_after", few([None, "3600"], 1))
async def test_a_model_that_is_refused_for_the_time_of_a_task_fails_its_tasks_in_those_words(
    tmp_path: Path, retry_after: str | None
) -> None:
    limits = ("--task-timeout", "6", "--max-attempts", "1")
    async with RefusingServer(retry_after) as server:
        finished = await collect(server, tmp_path, *limits)
        assert len(server.sent_to("xai")) < TASKS
    assert finished.exit_code == 1, finished.output
    answers, failures = check_agreement(finished.session), failures_in(finished.session)
    assert len(answers) == TASKS and len(failures) == TASKS
    assert {failure["error"] for failure in failures.values()} == {"RateLimited"}
    assert all(WORDS in failure["message"] for failure in failures.values())
    given_up = re.findall(r"grok-4\.3: every call was refused for 6 s .*", finished.output)
    assert len(given_up) == 1 and WORDS in given_up[0]


@pytest.mark.slow
async def test_a_resume_against_a_provider_that_is_well_again_asks_them_all(tmp_path: Path) -> None:
    async with RefusingServer("3600") as server:
        finished = await collect(server, tmp_path, "--task-timeout", "1")
    async with ProviderServer() as server:
        resumed = await run(
            "resume_collection.py",
            *(finished.session.name, "--output-dir", str(finished.session.parent)),
            environment=pointed_at(server),
        )
    assert resumed.exit_code == 0, resumed.output
    models = Counter(model for model, _ in answers_in(finished.session))
    assert set(models.values()) == {TASKS}


@pytest.mark.slow
async def test_the_providers_words_are_logged_once_and_stand_in_every_line_for_programs(
    tmp_path: Path,
) -> None:
    async with RefusingServer(good=2) as server:
        finished = await collect(server, tmp_path, "--task-timeout", "14", "--progress", "json")
    logged = re.findall(
        rf"grok-4\.3: rate limit until \d\d:\d\d:\d\d: .*{WORDS}.*", finished.stdout
    )
    assert len(logged) == 1, finished.stdout
    lanes = [json.loads(line)["models"][0] for line in finished.stderr.splitlines()]
    assert any(
        WORDS in lane["refusal"] and lane["waiting_because"].startswith("rate limit until ")
        for lane in lanes
    )
    assert lanes[0]["refusal"] == ""


def refused_row(screen: str) -> str:
    """Return the last bar of the refused model that says how long, and in which words."""
    row = rf"^grok-4\.3 .*rate limit until \S+: xai answered 429: {WORDS[:20]}.*$"
    return next(reversed(re.findall(row, screen, re.MULTILINE)), "")


@pytest.mark.slow
async def test_a_bar_shows_the_providers_words_beside_the_end_of_the_wait(tmp_path: Path) -> None:
    terminal = Terminal(118, 40)
    dataset = write_dataset(tmp_path / "data", {"sums": TASKS})
    async with RefusingServer("100") as server:
        command = [
            *(sys.executable, "scripts/run_collection.py", "--models", "grok-4.3"),
            *("--dataset-path", str(dataset), "--output-dir", str(tmp_path / "out")),
        ]
        environment = {**bare_environment(), **pointed_at(server)}
        running = asyncio.create_task(terminal.run(command, environment, ROOT))
        screen = await terminal.shows_what(lambda text: refused_row(text) != "")
        terminal.send(signal.SIGINT)
        assert await running == 130
    assert f"0/{TASKS}, " in refused_row(screen) and len(refused_row(screen)) < 118
