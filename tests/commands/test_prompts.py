"""--prompt and --system: sent, recorded in every answer, kept by a resume, named in reports."""

from pathlib import Path

import pytest

from tests.support.command import pointed_at, run
from tests.support.datasets import write_dataset
from tests.support.session_check import check_agreement, lines_of
from tests.support.watched_server import WatchedServer

GROK = "grok-4.3"


@pytest.mark.slow
async def test_a_prompt_of_ones_own_goes_all_the_way(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"a": 2})
    prompt = tmp_path / "terse.txt"
    prompt.write_text("{problem} Call it {name}.")
    session = tmp_path / "out" / "s"
    output = ("--output-dir", str(tmp_path / "out"))
    async with WatchedServer() as server:
        environment = pointed_at(server, "xai")
        first = await run(
            "run_collection.py",
            *("--models", GROK, "--dataset-path", str(dataset), "--session-id", "s", *output),
            *("--prompt", str(prompt), "--system", "Be brief.", "--extraction", "regex"),
            environment=environment,
        )
        assert first.exit_code == 0, first.output
        prompt.unlink()  # a resume has the words themselves
        more = await run(
            "resume_collection.py", "s", *output, "--samples", "2", environment=environment
        )
        assert more.exit_code == 0, more.output
        sent = [call.body["messages"] for call in server.requests]
        status = await run("resume_collection.py", "s", *output, "--status")
    assert len(sent) == 4
    assert (
        sent[0]
        == sent[2]
        == [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": "Write `func`, the a_1 of all, that returns its first argument. "
                "Call it solve_1.",
            },
        ]
    )
    check_agreement(session)
    (version,) = {record["prompt_version"] for record in lines_of(session / GROK / "a.jsonl")}
    assert version.startswith("terse@")
    assert f"Prompt: {version}" in status.stdout
    assert f'"prompt":"{version}"' in (session / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
async def test_sessions_with_different_prompts_are_told_apart(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"a": 1})
    output = ("--output-dir", str(tmp_path / "out"))
    async with WatchedServer() as server:
        for session, prompt in (("one", "default"), ("two", "short")):
            await run(
                "run_collection.py",
                *("--models", GROK, "--dataset-path", str(dataset), "--session-id", session),
                *(*output, "--prompt", prompt, "--extraction", "regex"),
                environment=pointed_at(server, "xai"),
            )
        compared = await run("compare_sessions.py", "one", "two", *output)
    assert "The sessions used different prompts (one: 1, two: short@" in compared.stdout


async def test_a_wrong_prompt_is_one_line(tmp_path: Path) -> None:
    finished = await run("run_collection.py", "--dry-run", "--prompt", "shrt")
    assert finished.exit_code == 2
    assert finished.stderr.strip() == (
        "error: --prompt shrt: neither a file nor one of prompts/texts; did you mean short?"
    )
