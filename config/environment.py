"""The variables that steer the collector: the process's own beat those of .env."""

import io
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from dotenv.parser import parse_stream

from config.errors import ConfigError
from config.model_config import ModelConfig

# The values of .env.example; a copy that was not edited must not be taken for a key.
_PLACEHOLDER = re.compile(r"\A(?:your_\w+_here|org-x+|proj_x+)\Z", re.IGNORECASE)
_NUMBER = re.compile(r"_\d+\Z")  # of one more key: OPENAI_API_KEY_2


class Environment:
    """Variables by name; empty ones and .env.example's placeholders count as unset."""

    def __init__(self, variables: Mapping[str, str | None]) -> None:
        cleaned = {name: _clean(value) for name, value in variables.items() if value}
        self._variables = {name: value for name, value in cleaned.items() if value}

    @classmethod
    def load(cls, root: Path, process: Mapping[str, str]) -> "Environment":
        """Return the process's variables, empty ones too, over those of root/.env, if any."""
        return cls({**_read_env_file(root / ".env"), **process})

    def get(self, name: str) -> str | None:
        """Return a variable's value, None where it is unset.

        Raises ConfigError for one that is not UTF-8: a session's files could not hold it.
        """
        value = self._variables.get(name)
        if value is not None and not is_utf8(value):
            raise ConfigError(f"{name}={value!a} in the environment is not UTF-8")
        return value

    def api_key(self, config: ModelConfig) -> str | None:
        """Return the key of a model's provider, None where it is unset or none is needed."""
        return self.get(config.api_key_env) if config.api_key_env else None

    def secrets(self, named: Iterable[str] = ()) -> frozenset[str]:
        """Return every key that is set, for whatever provider: no text may repeat one.

        named: variables that hold one though their names do not end in API_KEY. Numbered ones, such
        as OPENAI_API_KEY_2, hold one too.
        """
        known = set(named)
        names = known | {
            name
            for name in self._variables
            if (plain := _NUMBER.sub("", name)).endswith("API_KEY") or plain in known
        }
        return frozenset(key for name in names if (key := self.get(name)))

    def base_url(self, config: ModelConfig) -> str | None:
        """Return the address that replaces the provider's own, None where it does not."""
        return self.get(config.base_url_env)

    def can_call(self, config: ModelConfig) -> bool:
        """Tell whether the model's key is there, or none is needed."""
        return config.key_is_optional or self.api_key(config) is not None


def is_utf8(text: str) -> bool:
    """Tell whether a text from outside can be written as UTF-8."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _read_env_file(path: Path) -> dict[str, str]:
    """Return the file's variables, {} where there is none.

    A line with a single stray quote, which the parser gives up on, is taken as it stands.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    variables = {}
    for binding in parse_stream(io.StringIO(text)):
        key, value = binding.key, binding.value
        if binding.error:
            key, _, value = binding.original.string.strip().partition("=")
        if key and value:
            variables[key.removeprefix("export ").strip()] = value
    return variables


def _clean(value: str) -> str:
    stripped = value.strip().strip("\"'").strip()
    return "" if _PLACEHOLDER.fullmatch(stripped) else stripped
