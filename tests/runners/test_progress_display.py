"""What a run shows while it runs: on a terminal, as lines of JSON, and when it will end."""

import asyncio
import json
import re
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from runners.progress.lane_pace import LanePace
from tests.support.command import ROOT, bare_environment, pointed_at, run
from tests.support.datasets import write_dataset
from tests.support.provider_server import Answer, ProviderServer, Request
from tests.support.slow import few
from tests.support.terminal import Terminal

GOOD_AT_FIRST = 4
BUSY = Answer(status=503, body={"error": {"message": "Busy, come back later"}})
TOO_FAST = Answer(status=429, body={"error": "slow down"}, headers={"Retry-After": "100"})
LONG_REFUSAL = Answer(status=401, body={"error": {"message": "no such key here " * 20}})
GARBAGE = Answer(body={"unexpected": True})


class FailingServer(ProviderServer):
    """Answers some calls of each provider, and from then on as each provider's kind of trouble."""

    def __init__(self, **troubles: Answer) -> None:
        super().__init__(latency_seconds=0.05)
        self._troubles = troubles

    def _next_answer(self, call: Request) -> Answer:
        trouble = self._troubles.get(call.provider)
        if trouble is None or len(self.sent_to(call.provider)) <= GOOD_AT_FIRST:
            return super()._next_answer(call)
        return trouble


def row_of(screen: str, start: str) -> str:
    """Return the last row that starts so."""
    return [line for line in screen.splitlines() if line.startswith(start)][-1]


@pytest.mark.slow
@pytest.mark.parametrize("columns", few([80, 118], 1))
async def test_bars_keep_counts_reason_and_time_left_in_sight(tmp_path: Path, columns: int) -> None:
    terminal = Terminal(columns, 40)
    dataset = write_dataset(tmp_path / "data", {"sums": 12})
    async with FailingServer(xai=TOO_FAST, deepseek=BUSY, together=LONG_REFUSAL) as server:
        command = [
            *(sys.executable, "scripts/run_collection.py", "--models", "grok-4.3"),
            *("deepseek-flash-chat", "llama-3.3-70b-instruct-turbo"),
            *("--dataset-path", str(dataset), "--output-dir", str(tmp_path / "out")),
        ]
        environment = {**bare_environment(), **pointed_at(server)}
        running = asyncio.create_task(terminal.run(command, environment, ROOT))
        screen = await terminal.shows_what(
            lambda text: all(words in text for words in ("rate limit until", "overloaded, ", "no "))
        )
        terminal.send(signal.SIGINT)
        assert await running == 130
    limited, busy = row_of(screen, "grok-4.3"), row_of(screen, "dee")
    for row, reason in ((limited, "rate limit until "), (busy, "overloaded, ")):
        assert re.search(r"\b[1-4]/12\b", row) and reason in row and " left" in row, row
    assert re.search(r"overloaded, [1-3] to try again", busy)
    closed = row_of(screen, "llama-")
    assert "/12" in closed and "closed: together answered 401: no such" in closed
    rows = [row_of(screen, "all"), limited, busy, closed]
    assert all(len(row) < columns and row.count("|") == 2 for row in rows)
    assert {len(row.split("|")[1]) for row in rows} == {8}
    assert len({row.index("|") for row in rows}) == 1
    assert ", stopped" in terminal.text


async def json_lines(
    tmp_path: Path, server: ProviderServer, model: str, *arguments: str
) -> list[dict[str, object]]:
    """Return what --progress json says of a run's only model, line by line."""
    finished = await run(
        "run_collection.py",
        *("--models", model, "--progress", "json", "--output-dir", str(tmp_path / "out")),
        *("--dataset-path", str(write_dataset(tmp_path / "data", {"sums": 12})), *arguments),
        environment={**pointed_at(server), "LOCAL_BASE_URL": server.url("local")},
    )
    lines = [json.loads(line) for line in finished.stderr.splitlines()]
    assert lines, finished.output
    return [line["models"][0] for line in lines]


@pytest.mark.slow
async def test_json_says_what_is_out_what_waits_and_which_limit_holds(tmp_path: Path) -> None:
    async with ProviderServer(latency_seconds=1.2) as server:  # two lines or more a call
        lines = await json_lines(tmp_path, server, "gpt-4o", "--max-concurrent", "3")
    assert max(int(str(line["in_flight"])) for line in lines) == 3
    assert {line["waiting"] for line in lines} <= {0, 1, 2, 3}
    assert lines[0]["limit_per_minute"] is None
    limit = lines[-1]["limit_per_minute"]  # the provider announced one
    assert isinstance(limit, float) and limit > 0
    assert lines[-1]["seconds_left"] == 0.0 and lines[-1]["in_flight"] == 0


@pytest.mark.slow
async def test_a_retry_names_its_cause(tmp_path: Path) -> None:
    async with FailingServer(local=GARBAGE) as server:
        lines = await json_lines(
            tmp_path, server, "local:m", "--max-attempts", "3", "--max-concurrent", "12"
        )
    reasons = {str(line["waiting_because"]) for line in lines}
    assert any(reason.startswith("retrying ") and "after BadReply" in reason for reason in reasons)


@pytest.mark.slow
async def test_a_lane_that_waits_for_money_says_so(tmp_path: Path) -> None:
    async with ProviderServer(latency_seconds=0.6) as server:
        lines = await json_lines(
            tmp_path, server, "grok-4.3", "--max-cost", "0.006", "--max-tokens", "1000"
        )
    assert "waiting for money under --max-cost" in {line["waiting_because"] for line in lines}


# ---- the estimated end


class Lane:
    """A lane that ends so many tasks a minute, looked at twice a second."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ended = 0.0
        self.pace = LanePace(0.0, answered=0)

    def goes_on(self, seconds: float, per_minute: float, *, blocked: bool = False) -> None:
        for _ in range(int(seconds * 2)):
            self.now += 0.5
            self.ended += per_minute / 120
            ended = int(self.ended + 1e-6)
            self.pace.look(self.now, answered=ended, ended=ended, blocked=blocked)

    def left(self, undone: int, blocked: float = 0.0, limit: float | None = None) -> float:
        seconds = self.pace.seconds_left(undone, blocked_seconds=blocked, limit_per_minute=limit)
        assert seconds is not None
        return seconds


def test_a_steady_lane_is_estimated_by_its_rate_from_the_first_answers_on() -> None:
    lane = Lane()
    assert lane.pace.seconds_left(100, blocked_seconds=0, limit_per_minute=60) is None
    lane.goes_on(5, 120)
    assert lane.left(120) == pytest.approx(60, rel=0.05)
    lane.goes_on(600, 120)
    assert lane.left(120) == pytest.approx(60, rel=0.05)
    assert lane.left(0) == 0.0


def test_after_a_change_of_rate_the_last_minute_counts_not_the_hour_before() -> None:
    lane = Lane()
    lane.goes_on(3600, 600)
    lane.goes_on(90, 60)
    assert lane.left(60) == pytest.approx(60, rel=0.35)
    lane.goes_on(60, 60)
    assert lane.left(60) == pytest.approx(60, rel=0.1)


def test_a_stall_is_seen_within_a_minute_and_forgotten_after_one() -> None:
    lane = Lane()
    lane.goes_on(600, 120)
    lane.goes_on(60, 0)
    assert lane.left(120) > 300
    lane.goes_on(90, 120)
    assert lane.left(120) == pytest.approx(60, rel=0.15)


def test_a_rate_limits_wait_is_added_and_does_not_slow_what_comes_after() -> None:
    lane = Lane()
    lane.goes_on(60, 120)
    lane.goes_on(600, 0, blocked=True)
    assert lane.left(120, blocked=300) == pytest.approx(360, rel=0.05)


def test_nothing_is_promised_that_the_limit_forbids() -> None:
    lane = Lane()
    lane.goes_on(10, 600)
    assert lane.left(60, limit=30) == pytest.approx(120)


def test_a_slow_model_is_not_called_stalled_between_two_answers() -> None:
    lane = Lane()
    lane.goes_on(600, 0.5)  # an answer in two minutes
    estimates = []
    for _ in range(24):
        lane.goes_on(10, 0.5)
        estimates.append(lane.left(10))
    assert min(estimates) > 0.6 * 1200 and max(estimates) < 1.6 * 1200


@pytest.mark.slow
async def test_each_change_of_a_rate_is_logged_once_with_its_reason(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 3})
    async with ProviderServer() as server:
        server.script("xai", Answer(), replace(TOO_FAST, headers={"Retry-After": "1"}))
        finished = await run(
            "run_collection.py",
            *("--models", "grok-4.7", "--dataset-path", str(dataset), "--max-concurrent", "1"),
            *("--output-dir", str(tmp_path / "out")),
            environment=pointed_at(server, "xai"),
        )
    assert finished.exit_code == 0, finished.output
    said = [line for line in finished.output.splitlines() if "grok-4.7 requests: " in line]
    assert [re.sub(r"[\d.]+", "N", line.partition("requests: ")[2]) for line in said] == [
        "blocked (refused: waiting N s)",
        "learning at N a minute (first refusal)",
    ]
