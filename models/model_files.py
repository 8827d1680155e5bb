"""A class's name in, the class out of the file in models/ that holds it."""

import importlib
import re
from pathlib import Path
from typing import Any

from config.errors import ConfigError


def find_class(name: str) -> object:
    """Return what the file in models/ that says `class <name>(` calls so.

    Raises ConfigError where no file does, or where what it imports is not installed.
    """
    pattern = re.compile(rf"^class {re.escape(name)}\(", re.MULTILINE)
    for file in sorted(Path(__file__).parent.glob("*.py")):
        if pattern.search(file.read_text(encoding="utf-8")):
            found: object = getattr(_import_model_file(file.stem), name)
            return found
    raise ConfigError(f"no file in models/ holds `class {name}(`")


def _import_model_file(stem: str) -> Any:
    try:
        return importlib.import_module(f"models.{stem}")
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"models/{stem}.py needs {error.name}: pip install -r requirements.txt"
        ) from error
    except (ImportError, SyntaxError) as error:
        raise ConfigError(f"models/{stem}.py cannot be loaded: {error}") from error
