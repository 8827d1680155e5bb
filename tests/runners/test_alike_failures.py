"""A lane whose first tasks all fail in one way closes; one that may still fare better does not."""

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from tests.support.command import Finished, run
from tests.support.datasets import write_dataset
from tests.support.nobody_there import nobody_there
from tests.support.provider_server import Answer, ProviderServer, Request
from tests.support.session_check import failures_in

TASKS = 12
WIDTH = 3
ENOUGH = 5


def refused(call: Request, number: int) -> Answer:
    words = f"temperature is not supported (request req_{number:04x})"
    return Answer(status=400, body={"error": {"message": words}})


def overloaded(call: Request, number: int) -> Answer:
    return Answer(status=503, body={"error": {"message": "Busy"}})


def refused_each_its_own_way(call: Request, number: int) -> Answer:
    words = "too " + "much " * number
    return Answer(status=400, body={"error": {"message": words}})


def refused_after_one_answer(call: Request, number: int) -> Answer:
    return Answer() if number == 1 else refused(call, number)


def refused_first_tasks(call: Request, number: int) -> Answer:
    is_first = re.search(r"the sums_[1-5] of all", json.dumps(call.body))
    return refused(call, number) if is_first else Answer()


class RefusingServer(ProviderServer):
    """Answers as it is told, given the call and its number from 1 on."""

    def __init__(self, answer: Callable[[Request, int], Answer]) -> None:
        super().__init__()
        self.answer = answer

    def _next_answer(self, call: Request) -> Answer:
        if call.model == "fine":
            return Answer()
        # Several may have come before the first is answered: each is told by when it came itself.
        alike = [request for request in self.requests if request.model == call.model]
        number = next(number for number, request in enumerate(alike, 1) if request is call)
        return self.answer(call, number)


class SlowToAnswer(RefusingServer):
    """Refuses at once, and answers only when every task was asked."""

    def __init__(self, answer: Callable[[Request, int], Answer]) -> None:
        super().__init__(answer)
        self._all_asked = asyncio.Event()

    async def _reply(self, place: int, call: Request, request: web.Request) -> web.StreamResponse:
        if len(self.requests) == TASKS:
            self._all_asked.set()
        if self.answer(call, 0).status == 200:
            await self._all_asked.wait()
        return await super()._reply(place, call, request)


async def collect(url: str, tmp_path: Path, *arguments: str) -> Finished:
    return await run(
        "run_collection.py",
        *("--dataset-path", str(write_dataset(tmp_path / "data", {"sums": TASKS}))),
        *("--output-dir", str(tmp_path / "out"), "--max-concurrent", str(WIDTH)),
        *("--extraction", "regex", *arguments),
        environment={"LOCAL_BASE_URL": url},
    )


async def resume(url: str, tmp_path: Path, finished: Finished) -> Finished:
    return await run(
        "resume_collection.py",
        *(finished.session.name, "--output-dir", str(tmp_path / "out")),
        environment={"LOCAL_BASE_URL": url},
    )


def closing_lines(finished: Finished) -> list[str]:
    return [line for line in finished.stdout.splitlines() if ": stopped early: " in line]


@pytest.mark.slow
async def test_a_refusal_of_all_first_tasks_closes_the_lane_alone(tmp_path: Path) -> None:
    async with RefusingServer(refused) as server:
        url = server.url("local")
        finished = await collect(url, tmp_path, "--models", "local:odd", "local:fine")
        assert finished.exit_code == 1, finished.output
        (line,) = closing_lines(finished)
        assert (
            line.startswith("local-odd: stopped early: ") and "tasks in a row failed alike" in line
        )
        assert "answered 400: temperature is not supported" in line
        asked = [request for request in server.requests if request.model == "odd"]
        assert ENOUGH <= len(asked) < ENOUGH + 2 * WIDTH  # those out are waited for
        assert len(server.requests) - len(asked) == TASKS
        assert f"{TASKS - len(asked)} tasks undone, {len(asked)} failed" in finished.stdout
        server.answer = lambda call, number: Answer()
        resumed = await resume(url, tmp_path, finished)
    assert resumed.exit_code == 0, resumed.output
    assert failures_in(finished.session) == {}


@pytest.mark.slow
@pytest.mark.parametrize("answer", [overloaded, refused_each_its_own_way, refused_after_one_answer])
async def test_a_lane_that_may_fare_better_goes_on(
    tmp_path: Path, answer: Callable[[Request, int], Answer]
) -> None:
    async with RefusingServer(answer) as server:
        url = server.url("local")
        finished = await collect(url, tmp_path, "--models", "local:odd", "--max-attempts", "1")
        assert len(server.requests) == TASKS
    assert finished.exit_code == 1, finished.output
    assert closing_lines(finished) == [] and "0 tasks undone" in finished.stdout


@pytest.mark.slow
async def test_a_resume_asks_first_what_was_not_refused(tmp_path: Path) -> None:
    async with RefusingServer(refused_first_tasks) as server:
        url = server.url("local")
        finished = await collect(url, tmp_path, "--models", "local:odd", "--max-concurrent", "1")
        assert len(server.requests) == ENOUGH and len(closing_lines(finished)) == 1
        resumed = await resume(url, tmp_path, finished)
    assert resumed.exit_code == 1, resumed.output
    assert closing_lines(resumed) == []
    assert f"0 tasks undone, {ENOUGH} failed" in resumed.stdout


def filtered_now_and_then(call: Request, number: int) -> Answer:
    """Refuses some tasks at once, while answers to the others take their time."""
    is_refused = re.search(r"the sums_(2|4|6|8|10|12) of all", json.dumps(call.body))
    return refused(call, number) if is_refused else Answer()


@pytest.mark.slow
async def test_fast_refusals_do_not_close_a_lane_whose_answers_take_longer(tmp_path: Path) -> None:
    async with SlowToAnswer(filtered_now_and_then) as server:
        url = server.url("local")
        finished = await collect(url, tmp_path, "--models", "local:odd", "--max-concurrent", "12")
        assert len(server.requests) == TASKS
    assert closing_lines(finished) == [] and "0 tasks undone, 6 failed" in finished.stdout


@pytest.mark.slow
async def test_a_session_with_answers_tries_all_that_failed_again(tmp_path: Path) -> None:
    def refuse_six_and_fail_one(call: Request, number: int) -> Answer:
        if re.search(r"the sums_(6|7|8|9|10|11) of all", json.dumps(call.body)):
            return refused(call, number)
        is_last = re.search(r"the sums_12 of all", json.dumps(call.body))
        return overloaded(call, number) if is_last else Answer()

    async with RefusingServer(refuse_six_and_fail_one) as server:
        url = server.url("local")
        arguments = ("--models", "local:odd", "--max-concurrent", "12", "--max-attempts", "1")
        finished = await collect(url, tmp_path, *arguments)
        assert len(failures_in(finished.session)) == 7
        server.answer = lambda call, number: (
            Answer() if "sums_12 of all" in json.dumps(call.body) else refused(call, number)
        )
        await resume(url, tmp_path, finished)
    assert "0 tasks undone, 7 failed" in finished.stdout
    assert len(failures_in(finished.session)) == 6


async def nobody_listens(tmp_path: Path, *arguments: str) -> Path:
    """Return the session of a run against a port where nothing listens, resumed to its end."""
    with nobody_there("/local/v1") as url:
        finished = await collect(url, tmp_path, "--models", "local:odd", *arguments)
    assert finished.exit_code == 1, finished.output
    (line,) = closing_lines(finished)
    assert f"no connection to {url}: is the server running" in line and "LOCAL_BASE_URL" in line
    failures = failures_in(finished.session)
    assert ENOUGH <= len(failures) < ENOUGH + 2 * WIDTH
    assert {failure["error"] for failure in failures.values()} == {"Unreachable"}
    (tmp_path / "failures").write_text(json.dumps(list(failures.values())))
    async with ProviderServer() as server:
        resumed = await resume(server.url("local"), tmp_path, finished)
    assert resumed.exit_code == 0, resumed.output
    return finished.session


@pytest.mark.slow
async def test_where_nobody_listens_the_lane_closes_and_says_what_to_look_at(
    tmp_path: Path,
) -> None:
    await nobody_listens(tmp_path, "--max-attempts", "1")


@pytest.mark.slow
async def test_where_nobody_listens_four_attempts_a_task_are_enough(tmp_path: Path) -> None:
    await nobody_listens(tmp_path)
    failures = json.loads((tmp_path / "failures").read_text())
    assert {len(failure["attempts"]) for failure in failures} <= {3, 4}


@pytest.mark.slow
async def test_calls_that_never_left_cost_nothing_under_a_cap(tmp_path: Path) -> None:
    with nobody_there("/xai/v1") as gone:
        finished = await run(
            "run_collection.py",
            *("--dataset-path", str(write_dataset(tmp_path / "data", {"sums": TASKS}))),
            *("--output-dir", str(tmp_path / "out"), "--max-attempts", "1"),
            *("--models", "grok-4.3", "--max-cost", "5"),
            environment={"XAI_API_KEY": "a-key-of-no-worth", "XAI_BASE_URL": gone},
        )
    progress = json.loads((finished.session / "progress.json").read_text())
    assert progress["spent_usd"] == 0.0
    (line,) = closing_lines(finished)
    assert f"no connection to {gone}: check the network" in line and "XAI_BASE_URL" in line
