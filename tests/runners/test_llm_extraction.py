"""Code taken out by an LLM, in whole runs: through the run's own gate, checked, priced, kept."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import Finished, pointed_at, run
from tests.support.datasets import write_dataset
from tests.support.provider_formats import FORMATS, Json
from tests.support.provider_server import Answer, ProviderServer

GROK, EXTRACTOR = "grok-4.7", "deepseek-flash-chat"
PROSE = "You could add the two numbers and then hand back what you got, I suppose."


def saying(text: str) -> Answer:
    """Return xAI's reply with this text."""
    body: Json = FORMATS["xai"].good(GROK, "/chat/completions", {}, text)
    return Answer(body=body)


async def collect(
    tmp_path: Path, server: ProviderServer, *flags: str, count: int = 2, **more: str
) -> Path:
    return (await collected(tmp_path, server, *flags, count=count, **more)).session


async def collected(
    tmp_path: Path, server: ProviderServer, *flags: str, count: int = 2, **more: str
) -> Finished:
    dataset = write_dataset(tmp_path / "data", {"sums": count})
    finished = await run(
        "run_collection.py",
        *("--models", GROK, "--dataset-path", str(dataset)),
        *("--output-dir", str(tmp_path / "out"), *flags),
        environment={**pointed_at(server, "xai", "deepseek"), **more},
    )
    assert finished.exit_code == 0, finished.output
    return finished


def records(session: Path) -> list[dict[str, Any]]:
    lines = (session / GROK / "sums.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.slow
async def test_agentic_asks_for_every_reply_and_keeps_a_faithful_copy(tmp_path: Path) -> None:
    async with ProviderServer() as server:
        session = await collect(tmp_path, server, "--extraction", "agentic")
        assert len(server.sent_to("xai")) == len(server.sent_to("deepseek")) == 2
        assert {request.model for request in server.sent_to("deepseek")} == {"deepseek-flash"}
    for record in records(session):
        assert record["validation"]["is_fully_valid"] is True
        assert record["extraction"]["method"] == "llm"
        assert record["extraction"]["model"] == EXTRACTOR
        assert record["extraction"]["cost_usd"] > 0
        assert record["extracted_solution"] in record["raw_response"]
    assert not (session / "pending_extraction.jsonl").exists()


@pytest.mark.slow
async def test_auto_asks_only_where_rules_find_nothing_and_invention_is_refused(
    tmp_path: Path,
) -> None:
    async with ProviderServer() as server:
        server.script("xai", saying(PROSE))
        finished = await collected(
            tmp_path, server, "--max-concurrent", "1", EXTRACTION_MODEL=EXTRACTOR
        )
        session = finished.session
        assert len(server.sent_to("xai")) == 2
        assert len(server.sent_to("deepseek")) == 2  # asked twice about the one reply without code
    assert f"INFO - Replies are read by rules, and by {EXTRACTOR} where" in finished.stdout
    good, invented = sorted(records(session), key=lambda record: record["raw_response"] == PROSE)
    assert invented["raw_response"] == PROSE
    assert invented["extracted_solution"] == "" and invented["extraction"]["method"] == "none"
    assert invented["extraction"]["model"] == EXTRACTOR
    assert good["validation"]["is_fully_valid"] and good["extraction"]["model"] is None


@pytest.mark.slow
async def test_a_model_that_nobody_named_is_never_asked(tmp_path: Path) -> None:
    """Keys are there to collect with: that is no leave to send replies to their models."""
    out = ("--output-dir", str(tmp_path / "out"))
    async with ProviderServer() as server:
        server.script("xai", saying(PROSE))
        finished = await collected(tmp_path, server)
        assert server.sent_to("deepseek") == []
        name = finished.session.name
        status = await run("resume_collection.py", name, "--status", *out)
    words = "Replies are read by rules alone: no model is asked for code"
    assert f"INFO - {words}" in finished.stdout and words in status.stdout
    assert words in (finished.session / "report.html").read_text(encoding="utf-8")
    assert reading_in_summary(finished.session) == {"mode": "auto", "model": None}
    assert {record["extraction"]["model"] for record in records(finished.session)} == {None}


@pytest.mark.slow
async def test_the_model_that_agentic_takes_by_default_is_named_everywhere(tmp_path: Path) -> None:
    out = ("--output-dir", str(tmp_path / "out"))
    async with ProviderServer() as server:
        finished = await collected(tmp_path, server, "--extraction", "agentic", count=1)
        dry = await run(
            "run_collection.py",
            *("--models", GROK, "--dataset-path", str(tmp_path / "data"), "--dry-run", *out),
            *("--extraction", "agentic"),
            environment=pointed_at(server, "xai", "deepseek"),
        )
        status = await run("resume_collection.py", finished.session.name, "--status", *out)
    said = f"Replies are read by {EXTRACTOR} wherever they are more than clean code"
    for printed in (finished.stdout, dry.stdout):
        assert f"INFO - {said} (by default: EXTRACTION_MODEL names another)" in printed
    assert said in status.stdout
    assert said in (finished.session / "report.html").read_text(encoding="utf-8")
    assert reading_in_summary(finished.session) == {"mode": "agentic", "model": EXTRACTOR}


@pytest.mark.slow
async def test_a_resume_lets_the_same_model_read(tmp_path: Path) -> None:
    """EXTRACTION_MODEL was named when the session began, and has gone since."""
    refused = Answer(status=400, body={"code": "Client error", "error": "not this one"})
    dataset = write_dataset(tmp_path / "data", {"sums": 1})
    out = ("--output-dir", str(tmp_path / "out"))
    async with ProviderServer() as server:
        keys = pointed_at(server, "xai", "deepseek")
        server.script("xai", refused)
        first = await run(
            "run_collection.py",
            *("--models", GROK, "--dataset-path", str(dataset), "--session-id", "s", *out),
            environment={**keys, "EXTRACTION_MODEL": EXTRACTOR},
        )
        assert first.exit_code == 1 and server.sent_to("deepseek") == []
        server.script("xai", saying(PROSE))
        resumed = await run("resume_collection.py", "s", *out, environment=keys)
        assert resumed.exit_code == 0, resumed.output
        assert len(server.sent_to("deepseek")) == 2
    assert f"INFO - Replies are read by rules, and by {EXTRACTOR} where" in resumed.stdout


@pytest.mark.slow
async def test_a_named_model_without_a_key_is_refused_before_anything_is_sent(
    tmp_path: Path,
) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 1})
    flags = ("--models", GROK, "--dataset-path", str(dataset), "--output-dir", str(tmp_path / "o"))
    async with ProviderServer() as server:
        environment = {**pointed_at(server, "xai"), "EXTRACTION_MODEL": EXTRACTOR}
        refused = await run("run_collection.py", *flags, environment=environment)
        dry = await run("run_collection.py", *flags, "--dry-run", environment=environment)
        assert server.requests == []
    assert refused.exit_code == 2 and "DEEPSEEK_API_KEY" in refused.stderr
    assert dry.exit_code == 0, dry.output
    printed = " ".join(dry.stdout.split())
    assert f"replies that {EXTRACTOR} reads (no key yet: DEEPSEEK_API_KEY)" in printed


def reading_in_summary(session: Path) -> dict[str, Any]:
    summary = json.loads((session / "summary.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = summary["collection_metadata"]["extraction"]
    return found


@pytest.mark.slow
async def test_regex_never_asks(tmp_path: Path) -> None:
    async with ProviderServer() as server:
        server.script("xai", saying(PROSE))
        session = await collect(
            tmp_path, server, "--extraction", "regex", EXTRACTION_MODEL=EXTRACTOR
        )
        assert server.sent_to("deepseek") == []
    assert len(records(session)) == 2


@pytest.mark.slow
async def test_the_extraction_key_is_the_one_that_is_sent(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 1})
    key = "key-for-extraction-0123456789"
    async with ProviderServer() as server:
        finished = await run(
            "run_collection.py",
            *("--models", GROK, "--dataset-path", str(dataset), "--extraction", "agentic"),
            *("--output-dir", str(tmp_path / "out"), "--temperature", "1.5", "--max-tokens", "50"),
            environment={
                **pointed_at(server, "xai", "deepseek"),
                "EXTRACTION_MODEL": EXTRACTOR,
                "EXTRACTION_API_KEY": key,
            },
        )
        assert finished.exit_code == 0, finished.output
        (asked,) = server.sent_to("deepseek")
    assert asked.headers["Authorization"] == f"Bearer {key}"
    assert asked.body["temperature"] == 0.0 and asked.body["max_tokens"] == 4096


@pytest.mark.slow
async def test_a_refused_extraction_key_leaves_the_answers_alone(tmp_path: Path) -> None:
    refusal: Json = {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}
    async with ProviderServer() as server:
        server.script("deepseek", *(Answer(status=401, body=refusal) for _ in range(9)))
        session = await collect(tmp_path, server, "--extraction", "agentic", count=4)
        assert len(server.sent_to("xai")) == 4
    assert [record["extraction"]["method"] for record in records(session)] == ["fence"] * 4
    assert all(record["validation"]["is_fully_valid"] for record in records(session))
