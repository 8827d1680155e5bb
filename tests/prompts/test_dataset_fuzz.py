"""Dataset files with random damage: problems, or one clear list of errors; never a traceback."""

import json
from pathlib import Path
from random import Random

import pytest

from config.errors import CollectionError
from prompts.problems import load_problems
from prompts.prompt_template import build_prompt
from scripts.run_collection import main
from tests.storage.test_store_fuzz import mutated
from tests.support.datasets import problem_row

SEEDS_FEW, SEEDS_MANY, SEEDS_COMMAND = 300, 10_000, 40
NASTY: list[object] = [
    *(None, True, -1, 1e308, 10**30, "", " ", "\0", "\x1b[31m", "\ud800", "a" * 5000, [], {}, [[]]),
    *([{"assertion": 1}], {"ctx": None}, "[" * 3000, '[{"assertion": "x"', "null", "../../x"),
]


def damaged_dataset(folder: Path, seed: int) -> Path:
    """Write a small dataset in which a random few things are wrong."""
    random = Random(seed)
    for category in ("sums", "words"):
        rows = [problem_row(f"{category}_{n}", category=category) for n in range(1, 4)]
        for _ in range(random.randrange(3)):
            row = random.choice(rows)
            field = random.choice([*row, "topic", "unknown"])
            row[field] = random.choice(NASTY)
        content = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        for _ in range(random.randrange(3)):
            content = mutated(content, random)
        (folder / f"{category}.jsonl").write_bytes(content)
    return folder


def load_all(folder: Path, seeds: range) -> None:
    loaded = 0
    for seed in seeds:
        try:
            problems = load_problems(damaged_dataset(folder, seed))
        except CollectionError as error:
            assert str(error)
            continue
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
        for problem in problems:
            assert build_prompt(problem).joined.encode("utf-8")
            assert len(problem.content_hash) == 16
        loaded += 1
    assert loaded > len(seeds) / 20


def test_damaged_datasets_end_in_no_traceback(tmp_path: Path) -> None:
    load_all(tmp_path, range(SEEDS_FEW))


@pytest.mark.slow
def test_ten_thousand_damaged_datasets_end_in_no_traceback(tmp_path: Path) -> None:
    load_all(tmp_path, range(SEEDS_FEW, SEEDS_MANY))


def test_the_command_says_what_is_wrong_with_a_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XAI_API_KEY", "xai-key-0123456789abcdef")
    for seed in range(SEEDS_COMMAND):
        dataset = damaged_dataset(tmp_path, seed)
        code = main(["--dry-run", "--models", "grok-4.3", "--dataset-path", str(dataset)])
        said = capsys.readouterr()
        assert code in (0, 2), seed
        if code == 2:
            assert said.err.startswith("error: "), seed
        assert "\x1b" not in said.out + said.err
