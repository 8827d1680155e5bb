"""The two lists of --list-models."""

from collections.abc import Sequence
from datetime import date

from config.environment import Environment
from config.errors import ConfigError
from config.local_rows import gguf_rows, local_server_row
from config.model_config import INSTALL_LOCAL, ModelConfig
from config.model_configs import MODEL_CONFIGS
from config.model_selection import is_retired
from models.embedded.local_catalog import served_models
from runners.progress.terminal_text import printable
from scripts._terminal import terminal_columns

_YES, _NO = "✓", "✗"


def print_model_list(environment: Environment, providers: Sequence[str] = ()) -> None:
    """Print every model with its key's status, then every key; nothing is sent.

    providers: only theirs, whatever the case; empty for all. Raises ConfigError for an unknown one.
    """
    wanted = _wanted(providers)
    today = date.today()
    print("Available models:")
    here = _served_here(environment) if "local" in wanted else []
    for config in [*MODEL_CONFIGS, *gguf_rows(environment), *here]:
        if config.provider not in wanted:
            continue
        ready = environment.can_call(config) and not config.missing_packages
        mark = _YES if ready else _NO
        _print_row(f"  {config.name} ({config.provider}) {mark}", _remark(config, today))
    if "local" in wanted and not here:
        print("  local_gguf (local): set LOCAL_GGUF_PATH in .env")
        print("  local:<model> (local): set LOCAL_BASE_URL in .env")
    ours = [config.api_key_env for config in MODEL_CONFIGS if config.provider in wanted]
    if variables := [variable for variable in dict.fromkeys(ours) if variable]:
        print("\nAPI Key Status:")
    for variable in variables:
        keys = len(environment.keys_in(variable))
        count = f" ({keys} keys)" if keys > 1 else ""
        print(f"  {variable}: {_YES if keys else _NO}{count}")
    print(f"\n{_YES} ready: its key is set, or it needs none")
    print(f"{_NO} its key is missing, or it is not installed")


def _print_row(row: str, remark: str) -> None:
    """Print a row, and the remark on it beside it or, where there is no room, below."""
    line = printable(f"{row}  {remark}".rstrip())
    if len(line) > terminal_columns():
        line = printable(f"{row}\n      {remark}")
    print(line)


def _wanted(providers: Sequence[str]) -> list[str]:
    known = list(dict.fromkeys(config.provider for config in MODEL_CONFIGS))
    for provider in providers:
        if provider.lower() not in known:
            hint = (
                "put spaces, not commas, between names"
                if "," in provider
                else f"there are {', '.join(known)}"
            )
            raise ConfigError(f"unknown provider {provider!r}: {hint}")
    return [provider.lower() for provider in providers] or known


def _served_here(environment: Environment) -> list[ModelConfig]:
    """Return the models of the server at LOCAL_BASE_URL, none where it does not answer at once."""
    address = environment.get("LOCAL_BASE_URL")
    if address is None:
        return []
    served = served_models(address, environment.get("LOCAL_API_KEY") or "")
    return [local_server_row(model_id) for model_id in served]


def _remark(config: ModelConfig, today: date) -> str:
    if config.missing_packages:
        return f"not installed: {INSTALL_LOCAL}"
    if config.retired:
        verb = "retired" if is_retired(config, today) else "retires"
        names = {row.api_id: row.name for row in reversed(MODEL_CONFIGS)}
        name = names.get(config.replacement or "", config.replacement)
        instead = f", use {name}" if name else ""
        return f"{verb} {config.retired}{instead}"
    return config.note
