"""The two lists of --list-models."""

from datetime import date

from config.environment import Environment
from config.model_config import INSTALL_LOCAL, ModelConfig
from config.model_configs import MODEL_CONFIGS
from config.model_selection import is_retired

_YES, _NO = "✓", "✗"


def print_model_list(environment: Environment) -> None:
    """Print every model with its key's status, then every key; nothing is sent."""
    today = date.today()
    print("Available models:")
    for config in MODEL_CONFIGS:
        ready = environment.can_call(config) and not config.missing_packages
        mark = _YES if ready else _NO
        print(f"  {config.name} ({config.provider}) {mark}{_remark(config, today)}")
    print("\nAPI Key Status:")
    for variable in dict.fromkeys(config.api_key_env for config in MODEL_CONFIGS):
        if variable:
            print(f"  {variable}: {_YES if environment.get(variable) else _NO}")


def _remark(config: ModelConfig, today: date) -> str:
    if config.missing_packages:
        return f"  not installed: {INSTALL_LOCAL}"
    if config.retired:
        verb = "retired" if is_retired(config, today) else "retires"
        instead = f", use {config.replacement}" if config.replacement else ""
        return f"  {verb} {config.retired}{instead}"
    return f"  {config.note}" if config.note else ""
