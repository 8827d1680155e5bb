"""The two lists of --list-models."""

from datetime import date

from config.environment import Environment
from config.local_rows import gguf_rows, local_server_row
from config.model_config import INSTALL_LOCAL, ModelConfig
from config.model_configs import MODEL_CONFIGS
from config.model_selection import is_retired
from models.local_catalog import served_models
from runners.terminal_text import printable

_YES, _NO = "✓", "✗"


def print_model_list(environment: Environment) -> None:
    """Print every model with its key's status, then every key; nothing is sent."""
    today = date.today()
    print("Available models:")
    for config in [*MODEL_CONFIGS, *gguf_rows(environment), *_served_here(environment)]:
        ready = environment.can_call(config) and not config.missing_packages
        mark = _YES if ready else _NO
        print(printable(f"  {config.name} ({config.provider}) {mark}{_remark(config, today)}"))
    print("\nAPI Key Status:")
    for variable in dict.fromkeys(config.api_key_env for config in MODEL_CONFIGS):
        if variable:
            print(f"  {variable}: {_YES if environment.get(variable) else _NO}")


def _served_here(environment: Environment) -> list[ModelConfig]:
    """Return the models of the server at LOCAL_BASE_URL, none where it does not answer at once."""
    address = environment.get("LOCAL_BASE_URL")
    if address is None:
        return []
    served = served_models(address, environment.get("LOCAL_API_KEY") or "")
    return [local_server_row(model_id) for model_id in served]


def _remark(config: ModelConfig, today: date) -> str:
    if config.missing_packages:
        return f"  not installed: {INSTALL_LOCAL}"
    if config.retired:
        verb = "retired" if is_retired(config, today) else "retires"
        instead = f", use {config.replacement}" if config.replacement else ""
        return f"  {verb} {config.retired}{instead}"
    return f"  {config.note}" if config.note else ""
