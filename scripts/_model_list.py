"""The two lists of --list-models."""

from datetime import date

from config.environment import Environment
from config.model_configs import MODEL_CONFIGS
from config.model_selection import is_retired
from config.model_config import ModelConfig

_YES, _NO = "✓", "✗"


def print_model_list(environment: Environment) -> None:
    """Print every model with its key's status, then every key; nothing is sent."""
    today = date.today()
    print("Available models:")
    for config in MODEL_CONFIGS:
        mark = _YES if environment.can_call(config) else _NO
        remark = _remark(config, today)
        print(f"  {config.name} ({config.provider}) {mark}{remark}")
    print("\nAPI Key Status:")
    for variable in dict.fromkeys(config.api_key_env for config in MODEL_CONFIGS):
        if variable:
            print(f"  {variable}: {_YES if environment.get(variable) else _NO}")
