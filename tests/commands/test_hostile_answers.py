"""Answers, numbers and names that mean harm, end to end: kept, readable, and nothing crashes."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import pointed_at, run
from tests.support.datasets import problem_row
from tests.support.program import MODELS, PROVIDERS, Collection, Program
from tests.support.provider_formats import Json
from tests.support.provider_server import Answer
from tests.support.session_check import answers_in, check_agreement, failures_in
from tests.support.slow import few
from tests.support.watched_server import WatchedServer

pytestmark = pytest.mark.slow  # a process each
MODEL = MODELS[0]
FENCES = "```python\ndef solve_1(value):\n    return value\n```\n" * 10_000
TEXTS = {
    "a lone surrogate": "```python\ndef solve_1(value):\n    return '\ud800'\n```\n",
    "half a pair at the end": "def solve_1(value): return 1 # \udbff",
    "NUL": "```python\ndef solve_1(value):\n    return '\0'\n```\n\0\0",
    "ANSI": "\x1b[2J\x1b]0;owned\x07\x1b[31mdef solve_1(value): return value",
    "a formula": '=HYPERLINK("http://127.0.0.1")',
    "line ends": "def solve_1(value):\r\n\treturn value\u2028\u2029\x85\x0b\x0c\r\r\n",
    "ten thousand fences": FENCES,
    "fences without end": "```" * 30_000,
    "backticks and text": "`" * 60_000 + "x" + " " * 60_000 + "y",
    "deep brackets": "def solve_1(value): return " + "(" * 50_000,
    "deep blocks": "".join(" " * n + "if 1:\n" for n in range(3000)),
    "7 MB of prose": "A word, and then another. " * 280_000,
    "6 MB of code": "```python\ndef solve_1(value):\n" + "    value += 1\n" * 400_000 + "```",
    "one line of 7 MB": "x" * 7_000_000,
    "a number of 10,000 digits": "def solve_1(value): return " + "9" * 10_000,
    "thinking without end": "<think>" * 20_000,
    "nothing": "",
}
QUICK_TEXTS = 6  # the first ones
LARGE = {name for name, text in TEXTS.items() if len(text) > 5_000_000}


def reply(text: str, **more: Json) -> Json:
    message: Json = {"role": "assistant", "content": text}
    choices: list[Json] = [{"index": 0, "message": message, "finish_reason": "stop"}]
    usage: Json = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
    body: dict[str, Json] = {"model": "grok", "choices": choices, "usage": usage}
    return {**body, **more}


def write_rows(folder: Path, *rows: dict[str, object]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "sums.jsonl").write_text(lines, encoding="utf-8")
    return folder


async def collect_answer(tmp_path: Path, *answers: Answer) -> tuple[Path, str]:
    """Return the session and the output of a run that gets these answers, then good ones."""
    rows = [problem_row(f"sums_{n}", category="sums") for n in (1, 2)]
    dataset = write_rows(tmp_path / "data", *rows)
    async with WatchedServer() as server:
        server.script("xai", *answers)
        finished = await run(
            "run_collection.py",
            *("--models", MODEL, "--dataset-path", str(dataset), "--session-id", "s"),
            *("--output-dir", str(tmp_path / "out"), "--max-concurrent", "1"),
            environment=pointed_at(server, "xai"),
        )
        assert "Traceback" not in finished.output, finished.output[-3000:]
        assert finished.exit_code == 0, finished.output[-3000:]
        status = await run("resume_collection.py", "s", "--output-dir", str(tmp_path / "out"))
        assert status.exit_code == 0 and "is finished" in status.stdout, status.output
    return tmp_path / "out" / "s", finished.output


@pytest.mark.parametrize("name", few(TEXTS, QUICK_TEXTS))
async def test_a_hostile_answer_is_kept_and_every_file_stays_readable(
    tmp_path: Path, name: str
) -> None:
    text = TEXTS[name]
    session, output = await collect_answer(tmp_path, Answer(body=reply(text)))
    answers = check_agreement(session)
    assert len(answers) == 2
    record = answers[MODEL, "sums_1"]
    kept = record["raw_response"] + (record["reasoning_text"] or "")
    if name in LARGE:
        assert kept == text
    assert len(kept) >= len(text.strip()) - len("<think>")  # its end marks thinking, kept apart
    assert "\x1b" not in output and "\0" not in output
    with (session / MODEL / "sums.csv").open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            for cell in row.values():
                assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
                assert len(cell) < 32_767 and "\0" not in cell


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 10**30, "completion_tokens": 10**400, "total_tokens": 1},
        {"prompt_tokens": -5, "completion_tokens": -(10**12), "total_tokens": -1},
        {"prompt_tokens": 1e308, "completion_tokens": "many", "total_tokens": None},
        {"prompt_tokens": [], "completion_tokens": {}, "total_tokens": True},
        "none of your business",
    ],
)
async def test_usage_that_makes_no_sense_costs_no_answer(tmp_path: Path, usage: Any) -> None:
    session, _ = await collect_answer(
        tmp_path, Answer(body=reply("def solve_1(v): return v", usage=usage))
    )
    answers = check_agreement(session)
    assert len(answers) == 2
    assert answers[MODEL, "sums_1"]["raw_response"] == "def solve_1(v): return v"


HEADERS = [
    {"Retry-After": "99999999999999999999"},
    {"Retry-After": "-1"},
    {"Retry-After": "1e400"},
    {"Retry-After": "nan"},
    {"Retry-After": "Thu, 01 Jan 9999 00:00:00 GMT"},
    {"Retry-After": "\u00ff\u00fe"},
    {"x-ratelimit-limit-requests": "0", "x-ratelimit-remaining-requests": "-1"},
    {"x-ratelimit-reset-requests": "999999h", "x-ratelimit-remaining-requests": "0"},
]


@pytest.mark.parametrize("headers", few(HEADERS, 2))
async def test_headers_that_make_no_sense_hold_up_no_run(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    """Each task is bounded in time, whatever the provider asks for; a resume goes on."""
    rows = [problem_row(f"sums_{n}", category="sums") for n in (1, 2)]
    dataset = write_rows(tmp_path / "data", *rows)
    async with WatchedServer() as server:
        server.script("xai", Answer(status=503, body={"error": "busy"}, headers=headers))
        program = await Program.start(
            "run_collection.py",
            *("--models", MODEL, "--dataset-path", str(dataset), "--session-id", "s"),
            *("--output-dir", str(tmp_path / "out"), "--task-timeout", "8"),
            environment=pointed_at(server, "xai"),
        )
        finished = await program.finished()
        assert "Traceback" not in finished.output, finished.output
        assert finished.exit_code in (0, 1)
        session = tmp_path / "out" / "s"
        answers = check_agreement(session)
        assert len(answers) + len(failures_in(session)) == 2
        again = await run(
            "resume_collection.py",
            *("s", "--output-dir", str(tmp_path / "out")),
            environment=pointed_at(server, "xai"),
        )
        assert again.exit_code == 0, again.output
    assert len(check_agreement(session)) == 2


NAMES = [
    *("..", "../../etc/passwd", "/etc/passwd", "a/b", "nul\0byte", "line\nend", "\x1b[31mred"),
    *("🦙", "x" * 300, "CON", "con", "summary.json", "=1+1", "\u202eleft", "trailing.", "a\\b"),
]


async def test_hostile_task_ids_and_categories(tmp_path: Path) -> None:
    rows = [
        problem_row(f"id {name}", category=name, name=f"solve_{n}", problem=f"the id{n} of all")
        for n, name in enumerate(NAMES)
    ]
    dataset = write_rows(tmp_path / "data", *rows)
    tasks = len(NAMES) * len(MODELS)
    async with WatchedServer() as server:
        server.script("xai", Answer(status=400, body={"error": "\x1b[31mno\u2028such\nthing"}))
        collection = Collection(server, dataset, tmp_path / "deep" / "out")
        program = await collection.start("--log-file", str(tmp_path / "run.log"))
        await server.has_given(tasks // 2)
        killed = await program.killed()
        finished = await (await collection.resume()).finished()
        assert finished.exit_code == 0, finished.output
        assert "\x1b" not in killed.output + finished.output
        assert PROVIDERS
    answers = check_agreement(collection.session)
    assert {task for _, task in answers} == {f"id {name}" for name in NAMES}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "deep", "run.log"]
    inside = [path.relative_to(collection.session) for path in collection.session.rglob("*")]
    assert all(len(path.parts) <= 2 for path in inside)
    assert len(answers_in(collection.session)) == tasks
