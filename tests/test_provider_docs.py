"""docs/providers.md says what the code does: variables, example models, and code to paste."""

import re

from config.local_rows import local_server_row
from config.model_config import ModelConfig
from config.model_configs import MODEL_CONFIGS, select_models
from models.base_model import make_model
from tests.support.command import ROOT

PAGE = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")
TABLE = [line for line in PAGE.partition("\n\nVariables")[0].splitlines() if line.startswith("|")]
CODE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_each_key_stands_beside_its_address_and_models() -> None:
    providers = {(row.provider, row.api_key_env, row.base_url_env) for row in MODEL_CONFIGS}
    providers -= {("local", "", "LOCAL_BASE_URL")}  # the embedded model
    assert len(TABLE) == 2 + len(providers) + 2
    for provider, key, address in providers:
        (line,) = [line for line in TABLE if f"`{key}`" in line]
        assert f"`{address}`" in line
        examples = re.findall(r"`([a-z][^`]*)`", line.split("|")[4])
        assert {row.provider for row in select_models(examples)} == {provider}
    server = local_server_row("llama3.2")
    (line,) = [line for line in TABLE if "`local:llama3.2`" in line]
    assert f"`{server.api_key_env}`" in line and f"`{server.base_url_env}`" in line


def test_the_example_file_has_every_address_commented_out() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    homes = {row.base_url_env: make_model(row, api_key="k").home() for row in MODEL_CONFIGS}
    homes["LOCAL_BASE_URL"] = "http://localhost:11434/v1"
    assert [line for name, home in homes.items() if (line := f"# {name}={home}") not in lines] == []


def test_the_row_that_is_shown_is_a_row() -> None:
    config = eval(CODE[0], {"ModelConfig": ModelConfig})
    model = make_model(config, api_key="key")
    assert (model.model_name, model.max_tokens) == ("gpt-7-sol", 16_384)


def test_the_class_that_is_shown_is_a_whole_file() -> None:
    found: dict[str, object] = {"__name__": "models.my_provider_model"}
    exec(compile(CODE[1], "my_provider_model.py", "exec"), found)
    shown = found["MyProviderModel"]
    assert isinstance(shown, type)
    config = ModelConfig(
        name="m",
        provider="myprovider",
        api_key_env="MYPROVIDER_API_KEY",
        model_class="MyProviderModel",
    )
    assert config.base_url_env == "MYPROVIDER_BASE_URL"
    assert shown(config, api_key="key").base_url == "https://api.myprovider.com/v1"


def test_every_class_and_flag_that_is_named_exists() -> None:
    for name in set(re.findall(r"`(\w+Model)`", PAGE)) - {"MyProviderModel"}:
        assert any(f"class {name}" in file.read_text() for file in (ROOT / "models").glob("*.py"))
    for script, flag in re.findall(r"scripts/(\w+\.py).*? (--[a-z-]+)", PAGE):
        assert f'"{flag}"' in (ROOT / "scripts" / script).read_text()
