"""Typos, missing keys, bad files: one clear line, exit code 2, and nothing sent."""

import importlib
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from scripts.run_collection import build_parser
from tests.support.command import Finished, pointed_at, run
from tests.support.datasets import problem_row, write_dataset
from tests.support.provider_server import ProviderServer

KEY = {"OPENAI_API_KEY": "sk-test-0123456789"}


async def refused(*arguments: str, environment: Mapping[str, str] = KEY, code: int = 2) -> str:
    """Return the one line on stderr of a command that must fail."""
    finished = await run("run_collection.py", *arguments, environment=environment)
    return only_line(finished, code)


def only_line(finished: Finished, code: int = 2) -> str:
    assert finished.exit_code == code, finished.output
    assert "Traceback" not in finished.output
    lines = finished.stderr.strip().splitlines()
    assert len(lines) == 1, finished.stderr
    return lines[0]


async def test_an_unknown_model_names_the_nearest() -> None:
    line = await refused("--models", "gpt-4oo", "--dry-run")
    assert line.startswith("error: unknown model 'gpt-4oo': did you mean ") and "gpt-4o" in line


@pytest.mark.slow
async def test_commas_between_models_are_noticed() -> None:
    line = await refused("--models", "gpt-4o,gpt-4", "--dry-run")
    assert line == "error: unknown model 'gpt-4o,gpt-4': put spaces, not commas, between names"


@pytest.mark.slow
async def test_an_unknown_category_names_the_nearest(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, {"typing": 1, "regex": 1})
    line = await refused(
        *("--models", "gpt-4o", "--categories", "typin", "--dataset-path", str(dataset))
    )
    assert line == "error: unknown category 'typin': did you mean typing?"


@pytest.mark.slow
async def test_an_unknown_session_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "session_1234567890").mkdir()
    finished = await run(
        "resume_collection.py", "session_1234567891", "--output-dir", str(tmp_path)
    )
    line = only_line(finished)
    assert "unknown session 'session_1234567891'" in line and "session_1234567890" in line


@pytest.mark.slow
async def test_a_flag_that_stands_alone_takes_no_session_for_its_value(tmp_path: Path) -> None:
    finished = await run(
        "resume_collection.py", "--evaluate", "session_1", "--output-dir", str(tmp_path)
    )
    assert "unknown session 'session_1'" in only_line(finished)


@pytest.mark.slow
async def test_a_missing_key_says_which_variable_and_what_needs_none() -> None:
    line = await refused("--models", "gpt-4o", "grok-4.7", environment={})
    assert "OPENAI_API_KEY, XAI_API_KEY" in line
    assert "smollm2_135m needs none" in line and "--models smollm2_135m" in line


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [(), ("--quick-test",), ("--all-models",)])
async def test_no_key_at_all_says_how_to_start(arguments: tuple[str, ...]) -> None:
    assert "--models smollm2_135m" in await refused(*arguments, environment={})


@pytest.mark.slow
async def test_a_placeholder_is_no_key() -> None:
    placeholder = {"OPENAI_API_KEY": "your_openai_api_key_here"}
    line = await refused("--models", "gpt-4o", environment=placeholder)
    assert "OPENAI_API_KEY" in line


async def test_broken_problems_are_named_before_anything_is_sent(tmp_path: Path) -> None:
    rows = [problem_row("a_1"), problem_row("a_1")]
    lines = [*map(json.dumps, rows), "{", '{"task_id": "x"}']
    (tmp_path / "bad.jsonl").write_text("\n".join(lines))
    async with ProviderServer() as server:
        finished = await run(
            "run_collection.py",
            *("--models", "gpt-4o", "--dataset-path", str(tmp_path)),
            *("--output-dir", str(tmp_path / "out")),
            environment=pointed_at(server, "openai"),
        )
        assert server.requests == []
    assert finished.exit_code == 2
    reasons = finished.stderr.removeprefix("error: ").splitlines()
    assert [line.split(": ")[0] for line in reasons] == [
        "bad.jsonl:3",
        "bad.jsonl:4",
        "bad.jsonl:2",
    ]
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("made", [False, True])
async def test_a_dataset_that_is_missing_or_empty(tmp_path: Path, made: bool) -> None:
    folder = tmp_path / "nowhere"
    if made:
        folder.mkdir()
    by_flag = await refused("--models", "gpt-4o", "--dataset-path", str(folder))
    by_variable = await refused(
        "--models", "gpt-4o", environment={**KEY, "DATASET_PATH": str(folder)}
    )
    assert by_flag == by_variable and str(folder) in by_flag


@pytest.mark.slow
async def test_the_starter_problems_are_used_and_said_where_no_dataset_is() -> None:
    finished = await run("run_collection.py", "--models", "gpt-4o", "--dry-run", environment=KEY)
    assert finished.exit_code == 0, finished.output
    assert "using the starter problems" in finished.stdout
    assert "Loaded 72 problems" in finished.stdout


@pytest.mark.slow
async def test_a_session_id_that_exists_is_refused(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 1})
    arguments = ("--models", "gpt-4o", "--dataset-path", str(dataset), "--session-id", "mine")
    arguments_to = (*arguments, "--output-dir", str(tmp_path / "out"))
    async with ProviderServer() as server:
        environment = pointed_at(server, "openai")
        first = await run("run_collection.py", *arguments_to, environment=environment)
        second = await run("run_collection.py", *arguments_to, environment=environment)
        assert len(server.requests) == 1
    assert first.session == tmp_path / "out" / "mine"
    assert "session 'mine' already exists" in only_line(second)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--batch-size", "0"),
        ("--max-concurrent", "many"),
        ("--temperature", "9"),
        ("--max-tokens", "-5"),
        ("--request-timeout", "0"),
        ("--extraction", "magic"),
        ("--models",),
        ("--models", "gpt-4o", "--all-models"),
        ("--no-such-flag",),
    ],
)
async def test_wrong_flags_are_usage_errors(arguments: tuple[str, ...]) -> None:
    line = await refused(*arguments)
    assert line.startswith("error: ") and line.endswith("(see --help)")


@pytest.mark.parametrize(
    ("script", "arguments", "said"),
    [
        ("run_collection", ("--catagories", "typing"), "--catagories: did you mean --categories?"),
        ("run_collection", ("--max_tokens=5",), "--max_tokens: did you mean --max-tokens?"),
        ("run_collection", ("-models", "gpt-4o"), "-models: did you mean --models?"),
        ("run_collection", ("--frobnicate",), "--frobnicate: there is no such flag"),
        ("resume_collection", ("s", "--statsu"), "--statsu: did you mean --status?"),
        ("export_session", ("s", "--fromat", "csv"), "--fromat: did you mean --format?"),
    ],
)
def test_a_mistyped_flag_names_the_likely_one_in_one_line(
    script: str, arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = importlib.import_module(f"scripts.{script}")
    with pytest.raises(SystemExit) as ended:
        command.main(list(arguments))
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"error: unknown flag {said} (see --help)\n"


def test_what_belongs_to_no_flag_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_line(["--models", "gpt-4o", "--quick-test", "gpt-4"])
    assert capsys.readouterr().err == "error: unexpected 'gpt-4' (see --help)\n"


def test_the_beginning_of_a_flag_and_a_negative_number_are_no_typos(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert build_parser().parse_line(["--cat", "typing"]).categories == ["typing"]
    with pytest.raises(SystemExit):
        build_parser().parse_line(["--max-tokens", "-5"])
    assert "'-5' is not a whole number" in capsys.readouterr().err


@pytest.mark.parametrize("variable", ["BATCH_SIZE", "MAX_CONCURRENT_PER_MODEL"])
async def test_a_variable_that_is_no_number(variable: str) -> None:
    line = await refused("--models", "gpt-4o", "--dry-run", environment={**KEY, variable: "ten"})
    assert line.startswith(f"error: {variable}='ten'")


@pytest.mark.slow
async def test_an_output_dir_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    dataset = write_dataset(tmp_path / "data", {"sums": 1})
    line = await refused(
        *("--models", "gpt-4o", "--dataset-path", str(dataset)),
        *("--output-dir", str(tmp_path / "file")),
        code=1,
    )
    assert str(tmp_path / "file") in line


async def test_a_log_file_that_cannot_be_written(tmp_path: Path) -> None:
    target = tmp_path / "no" / "such" / "folder.log"
    line = await refused("--models", "gpt-4o", "--log-file", str(target))
    assert f"--log-file {target}" in line


@pytest.mark.slow
async def test_a_dry_run_tries_the_output_dir_and_leaves_nothing(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", {"sums": 1})
    before = sorted(tmp_path.rglob("*"))
    arguments = ("--models", "gpt-4o", "--dry-run", "--dataset-path", str(dataset))
    for out in (tmp_path / "not" / "there", tmp_path / "data"):
        finished = await run(
            "run_collection.py", *arguments, "--output-dir", str(out), environment=KEY
        )
        assert finished.exit_code == 0, finished.output
    for out in (dataset / "sums.jsonl", dataset / "sums.jsonl" / "out", tmp_path / ("x" * 300)):
        line = await refused(*arguments, "--output-dir", str(out), code=1)
        assert line.startswith(f"error: {str(out)[:100]}") and ": cannot be written: " in line
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
async def test_a_dry_run_refuses_a_session_id_that_exists(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    line = await refused(
        *("--models", "gpt-4o", "--dry-run"),
        *("--session-id", "mine", "--output-dir", str(tmp_path)),
    )
    assert "session 'mine' already exists" in line


async def test_the_list_of_models_can_be_of_some_providers() -> None:
    whole = await run("run_collection.py", "--list-models", environment=KEY)
    some = await run("run_collection.py", "--list-models", "openai", "DeepSeek", environment=KEY)
    models, keys, _ = some.stdout.split("\n\n")
    shown = whole.stdout.split("\n\n")[0].splitlines()[1:]
    wanted = [line for line in shown if "(openai)" in line or "(deepseek)" in line]
    assert models.splitlines() == ["Available models:", *wanted]
    assert keys.split("\n")[:3] == [
        "API Key Status:",
        "  OPENAI_API_KEY: \u2713",
        "  DEEPSEEK_API_KEY: \u2717",
    ]
    assert 3 < len(wanted) < len(shown)


async def test_an_unknown_provider_names_the_known_ones() -> None:
    line = await refused("--list-models", "openia")
    assert line == (
        "error: unknown provider 'openia': there are openai, anthropic, google, xai, together, "
        "huggingface, deepseek, local"
    )


@pytest.mark.slow
@pytest.mark.parametrize("sum_of_money", ["abc", "$5", "0", "inf"])
async def test_a_cap_that_is_no_sum_of_money_says_what_one_is(sum_of_money: str) -> None:
    line = await refused("--max-cost", sum_of_money)
    assert f"{sum_of_money!r} is not a sum of US dollars above 0, as 2.50" in line
