"""The registry: its rows, and how names find them."""

import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from config.errors import ConfigError
from config.model_config import ModelConfig
from config.model_configs import MODEL_CONFIGS, select_models
from config.model_selection import (
    default_models,
    find_models,
    is_retired,
    recorded_models,
    replacement_of,
    served_models,
)

TODAY = date(2026, 11, 23)
ROOT = Path(__file__).resolve().parent.parent.parent
KEYS = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "google": "GOOGLE_API_KEY",
    "xai": "XAI_API_KEY",
    "together": "TOGETHER_API_KEY",
    "huggingface": "HUGGINGFACE_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
    "local": "",
}
CLASSES = {
    "openai": "OpenAIModel",
    "anthropic": "AnthropicModel",
    "google": "GoogleModel",
    "xai": "XAIModel",
    "together": "MetaModel",
    "huggingface": "MetaModel",
    "deepseek": "DeepSeekModel",
    "local": "LocalModel",
}
CURRENT_IDS = [
    "gpt-6.2-astra",
    "gpt-6.2-sol",
    "gpt-6.1-sol",
    "gpt-6.1-terra",
    "gpt-6-astra",
    "gpt-6-sol",
    "gpt-6-luna",
    "gpt-5.6-sol",
    "gpt-5.6-terra",
    "gpt-5.6-luna",
    "gpt-5.5",
    "gpt-5.4",
    "gpt-5.4-mini",
    "gpt-5",
    "gpt-4o",
    "gpt-4.1",
    "claude-fable-5-2",
    "claude-opus-5-5",
    "claude-sonnet-5-5",
    "claude-haiku-5-5",
    "claude-opus-4-6",
    "claude-haiku-4-5",
    "gemini-4-argon",
    "gemini-3.8-flash",
    "gemini-2.5-flash",
    "gemini-2.5-flash-lite",
    "gemma-4-31b-it",
    "grok-4.7",
    "grok-4.3",
    "deepseek-flash",
    "openai/gpt-oss-120b",
    "meta-llama/Llama-3.3-70B-Instruct-Turbo",
    "meta-llama/Llama-3.3-70B-Instruct",
]


def names_of(*names: str) -> list[str]:
    return [row.name for row in select_models(names)]


def simple_row(
    name: str, *, label: str = "", retired: str | None = None, replacement: str | None = None
) -> ModelConfig:
    return ModelConfig(
        name=name,
        provider="p",
        api_key_env="P_API_KEY",
        model_class="C",
        label=label,
        retired=retired,
        replacement=replacement,
    )


class TestRows:
    @pytest.mark.parametrize("row", MODEL_CONFIGS, ids=lambda row: row.name)
    def test_a_row_is_whole(self, row: ModelConfig) -> None:
        assert row.api_key_env == KEYS[row.provider]
        assert row.model_class == CLASSES[row.provider]
        assert re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,79}", row.label)
        assert not row.label.endswith(".")
        assert row.max_output_tokens is None or row.max_output_tokens > 0
        assert row.accepts_temperature or row.provider != "xai"
        if row.retired:
            date.fromisoformat(row.retired)
            assert row.replacement

    def test_labels_are_unique_whatever_their_case(self) -> None:
        counts = Counter(row.label.lower() for row in MODEL_CONFIGS)
        assert [label for label, count in counts.items() if count > 1] == []

    def test_no_text_means_two_rows(self) -> None:
        """But for an API id that two rows share, of which one has it as its name."""
        meanings: dict[str, set[str]] = {}
        for row in MODEL_CONFIGS:
            for text in (row.name, row.label, *row.aliases, row.api_id, *row.api_aliases):
                meanings.setdefault(re.sub("[-_.]", "-", text.lower()), set()).add(row.name)
        unclear = {text: names for text, names in meanings.items() if len(names) > 1}
        assert unclear == {"deepseek-flash": {"deepseek-flash", "deepseek-flash-chat"}}

    @pytest.mark.parametrize("row", MODEL_CONFIGS, ids=lambda row: row.name)
    def test_every_text_of_a_row_finds_a_row_of_its_model(self, row: ModelConfig) -> None:
        typed = {row.name, row.label, *row.aliases} - set(row.api_aliases)
        assert [select_models([text]) for text in typed] == [[row]] * len(typed)
        for api_id in (row.api_id, *row.api_aliases):
            [by_id] = select_models([api_id])
            assert by_id.api_id == api_id
            assert (by_id.provider, by_id.retired) == (row.provider, row.retired)
            assert re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,79}", by_id.label)

    @pytest.mark.parametrize("row", MODEL_CONFIGS, ids=lambda row: row.name)
    def test_a_retired_row_leads_to_a_served_one_of_its_provider(self, row: ModelConfig) -> None:
        current = replacement_of(row, MODEL_CONFIGS, TODAY)
        assert not is_retired(current, TODAY)
        assert current.provider == row.provider
        assert (current is row) == (not is_retired(row, TODAY))

    def test_every_provider_has_a_served_model(self) -> None:
        assert {row.provider for row in served_models(MODEL_CONFIGS, TODAY)} == set(KEYS)

    @pytest.mark.parametrize(
        "api_id",
        CURRENT_IDS,
    )
    def test_the_current_ids_are_served(self, api_id: str) -> None:
        assert not is_retired(select_models([api_id])[0], TODAY)

    def test_what_openai_serves_at_responses_alone_says_so(self) -> None:
        for name in ("gpt-5-pro", "o3-pro", "gpt-5.5-pro"):
            assert select_models([name])[0].model_params["endpoint"] == "responses"


class TestSelection:
    @pytest.mark.parametrize(
        ("typed", "name", "label"),
        [
            ("gpt_4", "gpt_4", "gpt-4"),
            ("gpt-4", "gpt_4", "gpt-4"),
            ("GPT.4", "gpt_4", "gpt-4"),
            ("gpt-3.5-turbo", "gpt_3_5_turbo", "gpt-3.5-turbo"),
            ("gpt_3_5_turbo", "gpt_3_5_turbo", "gpt-3.5-turbo"),
            ("claude-4-sonnet", "claude-4-sonnet", "claude-4-sonnet"),
            ("claude-3-sonnet", "claude-3-sonnet", "claude-3-sonnet"),
            ("claude-3-sonnet-20240229", "claude-3-sonnet", "claude-3-sonnet"),
            ("claude-3-haiku-20240307", "claude-3-haiku-20240307", "claude-3-haiku-20240307"),
            ("claude-3-haiku", "claude-3-haiku-20240307", "claude-3-haiku-20240307"),
            ("gemini_2_0_flash", "gemini_2_0_flash", "gemini-2.0-flash"),
            ("gemini-2.0-flash", "gemini_2_0_flash", "gemini-2.0-flash"),
            ("smollm2_135m", "smollm2_135m", "smollm2_135m"),
            (" grok-4.7 ", "grok-4.7", "grok-4.7"),
        ],
    )
    def test_a_name_in_any_spelling(self, typed: str, name: str, label: str) -> None:
        [row] = select_models([typed])
        assert (row.name, row.label) == (name, label)

    @pytest.mark.parametrize(
        ("typed", "asked_for", "label"),
        [
            ("claude-haiku-4-5", "claude-haiku-4-5", "claude-haiku-4-5"),
            ("claude-haiku-4-5-20251001", "claude-haiku-4-5-20251001", "claude-haiku-4-5-20251001"),
            ("claude-haiku-4-5-20270101", "claude-haiku-4-5-20270101", "claude-haiku-4-5-20270101"),
            ("Claude_Haiku_4.5", "claude-haiku-4-5-20251001", "claude-haiku-4-5-20251001"),
            ("claude-sonnet-4-0", "claude-sonnet-4-0", "claude-sonnet-4-0"),
            ("claude-sonnet-4", "claude-sonnet-4-20250514", "claude-4-sonnet"),
            ("claude-4-sonnet", "claude-sonnet-4-20250514", "claude-4-sonnet"),
            ("claude-sonnet-4-20250514", "claude-sonnet-4-20250514", "claude-4-sonnet"),
            ("gpt-4o-2024-08-06", "gpt-4o-2024-08-06", "gpt-4o-2024-08-06"),
            ("gpt-4-0613", "gpt-4-0613", "gpt-4-0613"),
            ("gpt_4", "gpt-4", "gpt-4"),
            ("grok-4", "grok-4", "grok-4"),
            ("grok-4-0709", "grok-4-0709", "grok-4"),
            ("kimi-k3", "moonshotai/Kimi-K3", "kimi-k3"),
            ("moonshotai/Kimi-K3", "moonshotai/Kimi-K3", "kimi-k3"),
            (
                *("meta-llama/Llama-3.3-70B-Instruct", "meta-llama/Llama-3.3-70B-Instruct"),
                "meta-llama-Llama-3.3-70B-Instruct",
            ),
        ],
    )
    def test_an_id_that_was_typed_is_asked_for(
        self, typed: str, asked_for: str, label: str
    ) -> None:
        [row] = select_models([typed])
        assert (row.api_id, row.label) == (asked_for, label)

    def test_two_ids_of_one_model_are_two_columns(self) -> None:
        both = select_models(["claude-haiku-4-5", "claude-haiku-4-5-20251001"])
        assert [row.label for row in both] == ["claude-haiku-4-5", "claude-haiku-4-5-20251001"]

    def test_what_a_session_recorded_is_asked_for_again(self) -> None:
        names = ["claude-haiku-4-5", "gpt-4o-2024-08-06", "claude-4-sonnet"]
        asked = select_models(names)
        ids = [row.api_id for row in asked]
        assert recorded_models(names, ids, MODEL_CONFIGS) == asked

    def test_a_session_that_kept_no_ids_asked_by_those_of_the_rows(self) -> None:
        [haiku, grok] = recorded_models(["claude-haiku-4-5", "grok-4"], (), MODEL_CONFIGS)
        assert (haiku.api_id, grok.api_id) == ("claude-haiku-4-5-20251001", "grok-4-0709")
        assert (haiku.label, grok.label) == ("claude-haiku-4-5-20251001", "grok-4")

    def test_order_is_kept_and_doubles_go(self) -> None:
        assert names_of("o3", "gpt-4", "gpt_4", "O3") == ["o3", "gpt_4"]

    def test_an_exact_name_beats_an_alias_and_an_alias_beats_an_id(self) -> None:
        rows = [
            simple_row("a-1", label="first"),
            simple_row("a_1", label="second"),
            simple_row("b", label="third"),
            simple_row("c", label="B-x"),
        ]
        rows[0] = replace(rows[0], aliases=("b-x",))
        assert find_models(["a_1", "A.1", "b.x"], rows) == [rows[1], rows[0]]

    @pytest.mark.parametrize(
        ("typed", "near"),
        [("gpt-44", "gpt_4"), ("claud-sonet-5-5", "claude-sonnet-5-5"), ("gork-4.7", "grok-4.7")],
    )
    def test_an_unknown_name_names_the_nearest(self, typed: str, near: str) -> None:
        with pytest.raises(ConfigError, match=f"unknown model '{typed}'.*{near}"):
            select_models([typed])

    @pytest.mark.parametrize("typed", ["", "???", "local:", "local: "])
    def test_a_name_like_no_other_is_an_error_too(self, typed: str) -> None:
        with pytest.raises(ConfigError, match="--list-models"):
            select_models([typed])

    def test_replacements_in_a_circle_are_an_error(self) -> None:
        rows = [
            simple_row("a", retired="2026-01-01", replacement="b"),
            simple_row("b", retired="2026-01-01", replacement="a"),
        ]
        with pytest.raises(ConfigError, match="circle"):
            replacement_of(rows[0], rows, TODAY)


class TestLocalServers:
    def test_any_model_of_a_local_server_has_a_row(self) -> None:
        [row] = select_models(["local:llama3.2"])
        assert (row.name, row.label, row.api_id) == ("local:llama3.2", "local-llama3.2", "llama3.2")
        assert (row.provider, row.model_class) == ("local", "LocalModel")
        assert (row.api_key_env, row.base_url_env) == ("LOCAL_API_KEY", "LOCAL_BASE_URL")

    def test_labels_are_folders_and_differ(self) -> None:
        ids = [
            "qwen2.5:7b",
            "qwen2.5-7b",
            "Qwen2.5-7B",
            "org/qwen2.5-7b",
            "../../etc",
            "名",
            "x" * 300,
        ]
        rows = select_models([f"local:{name}" for name in ids])
        assert [row.api_id for row in rows] == ids
        labels = [row.label for row in rows]
        assert len({label.lower() for label in labels}) == len(ids)
        assert all(re.fullmatch(r"local-[a-z0-9._-]{0,94}[a-z0-9]", label) for label in labels)


class TestTime:
    def test_the_defaults_of_today_stand_for_the_retired_ones(self) -> None:
        chosen = default_models(MODEL_CONFIGS, TODAY)
        assert [(one.config.name, one.replaces and one.replaces.label) for one in chosen] == [
            ("gpt-5.6-terra", "gpt-3.5-turbo"),
            ("claude-haiku-4-5", "claude-3-haiku-20240307"),
        ]

    def test_while_they_were_served_they_stood_for_themselves(self) -> None:
        chosen = default_models(MODEL_CONFIGS, date(2026, 1, 1))
        assert [one.config.label for one in chosen] == ["gpt-3.5-turbo", "claude-3-haiku-20240307"]
        assert [one.replaces for one in chosen] == [None, None]

    def test_a_date_ahead_retires_on_its_day(self) -> None:
        row = select_models(["gpt-4o"])[0]
        assert not is_retired(row, date(2027, 1, 13))
        assert is_retired(row, date(2027, 1, 14))
        assert row in served_models(MODEL_CONFIGS, TODAY)
        assert row not in served_models(MODEL_CONFIGS, date(2027, 1, 14))


def test_the_registry_imports_no_sdk() -> None:
    heavy = "{'openai', 'anthropic', 'google', 'aiohttp', 'genai_prices', 'pydantic', 'msgspec'}"
    code = f"import config.model_configs, sys; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr
