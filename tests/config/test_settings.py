"""Where settings come from, and which source wins."""

from pathlib import Path

import pytest

from config.collection_settings import CollectionSettings, locate_dataset
from config.environment import Environment
from config.errors import ConfigError
from config.model_configs import select_models
from scripts.run_collection import build_parser


def settings(root: Path, *argv: str, **variables: str) -> CollectionSettings:
    args = build_parser().parse_args(list(argv))
    return CollectionSettings.from_args(args, Environment(variables), root)


def test_flags_beat_the_environment_that_beats_defaults(tmp_path: Path) -> None:
    variables = {"BATCH_SIZE": "7", "MAX_CONCURRENT_PER_MODEL": "9"}
    by_default, by_variable = settings(tmp_path), settings(tmp_path, **variables)
    by_flag = settings(tmp_path, "--batch-size", "2", "--max-concurrent", "4", **variables)
    chosen = [
        (s.batch_size, s.max_concurrent_per_model) for s in (by_default, by_variable, by_flag)
    ]
    assert chosen == [(10, 3), (7, 9), (2, 4)]


def test_a_quick_test_is_gentler_unless_told_otherwise(tmp_path: Path) -> None:
    quick = settings(tmp_path, "--quick-test")
    assert (quick.batch_size, quick.max_concurrent_per_model) == (5, 2)
    example = {"BATCH_SIZE": "10", "MAX_CONCURRENT_PER_MODEL": "3"}  # as .env.example has them
    assert settings(tmp_path, "--quick-test", **example).max_concurrent_per_model == 2
    assert settings(tmp_path, "--quick-test", "--batch-size", "7").batch_size == 7


@pytest.mark.parametrize("value", ["0", "-1", "ten", "1.5"])
def test_a_variable_that_is_no_number_is_named(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match="BATCH_SIZE="):
        settings(tmp_path, BATCH_SIZE=value)


def test_the_process_beats_the_env_file_and_placeholders_are_unset(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "OPENAI_API_KEY=your_openai_api_key_here\nOPENAI_ORG_ID=org-xxxxxxxxxxxxxxxxxx\n"
        "ANTHROPIC_API_KEY=' from-file \"\r\nXAI_API_KEY=from-file\nBATCH_SIZE=5\n"
    )
    environment = Environment.load(tmp_path, {"XAI_API_KEY": "from-process", "BATCH_SIZE": ""})
    names = ("OPENAI_API_KEY", "OPENAI_ORG_ID", "ANTHROPIC_API_KEY", "XAI_API_KEY", "BATCH_SIZE")
    assert [environment.get(name) for name in names] == [
        None,
        None,
        "from-file",
        "from-process",
        None,
    ]


def test_keys_come_in_the_order_of_their_numbers_each_once() -> None:
    variables = {
        "OPENAI_API_KEY_10": "ten",
        "OPENAI_API_KEY_2": "two",
        "OPENAI_API_KEY": "one",
        "OPENAI_API_KEY_3": "one",
        "OPENAI_API_KEY_4": "your_openai_api_key_here",
        "OPENAI_API_KEY_B": "no number",
        "XAI_API_KEY_2": "x",
        "OPENAI_ORG_ID_2": "org-2",
    }
    environment = Environment(variables)
    [openai, grok] = select_models(["gpt-4o", "grok-4.3"])
    keys = environment.api_keys(openai)
    assert [(key.variable, key.key) for key in keys] == [
        *(("OPENAI_API_KEY", "one"), ("OPENAI_API_KEY_2", "two"), ("OPENAI_API_KEY_10", "ten")),
    ]
    assert [environment.beside("OPENAI_ORG_ID", key) for key in keys] == [None, "org-2", None]
    assert environment.api_key(grok) == "x" and environment.can_call(grok)
    assert "two" not in repr(keys)


def test_the_example_file_sets_no_key(tmp_path: Path) -> None:
    example = Path(__file__).resolve().parent.parent.parent / ".env.example"
    (tmp_path / ".env").write_bytes(example.read_bytes())
    environment = Environment.load(tmp_path, {})
    assert not environment.can_call(select_models(["gpt-4o"])[0])
    assert environment.get("OPENAI_PROJECT_ID") is None


def test_defaults_are_relative_to_the_project_and_flags_to_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "project"
    assert settings(root).output_dir == root / "generated"
    assert settings(root, OUTPUT_DIR="elsewhere").output_dir == root / "elsewhere"
    assert settings(root, "--output-dir", "here").output_dir == tmp_path / "here"


def test_the_starter_problems_stand_in_for_absent_defaults_alone(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    repeated = settings(root, DATASET_PATH="../dataset/generated/codeeval")
    assert locate_dataset(repeated, root) == (root / "dataset/starter", True)
    assert locate_dataset(settings(root), root) == (root / "dataset/starter", True)
    other = settings(root, DATASET_PATH="../elsewhere")
    assert locate_dataset(other, root) == (tmp_path / "elsewhere", False)


def test_the_default_places_are_looked_at_in_order(tmp_path: Path) -> None:
    root = tmp_path / "project"
    second = tmp_path / "dataset" / "generated"
    second.mkdir(parents=True)
    (second / "a.jsonl").write_text("{}")
    assert locate_dataset(settings(root), root) == (second, False)
    first = second / "codeeval"
    first.mkdir()
    (first / "a.jsonl").write_text("{}")
    assert locate_dataset(settings(root), root) == (first, False)


def test_a_session_keeps_its_settings(tmp_path: Path) -> None:
    asked = settings(
        tmp_path, "--models", "gpt-4o", "--max-concurrent", "auto", "--temperature", "0.5"
    )
    parameters = asked.resolved(
        models=select_models(["gpt-4o"]), reader=None, dataset_path=tmp_path
    ).to_parameters()
    kept = CollectionSettings.from_parameters({**parameters, "of_a_later_version": 1})
    assert (kept.temperature, kept.max_concurrent_per_model) == (0.5, "auto")
    assert (kept.models, kept.api_ids) == (("gpt-4o",), ("gpt-4o",))
    assert kept.dataset_path == tmp_path
    with pytest.raises(ConfigError, match="session_parameters"):
        CollectionSettings.from_parameters({"output_dir": 5})
