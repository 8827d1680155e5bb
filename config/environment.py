"""The variables that steer the collector: the process's own beat those of .env."""

import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv.parser import parse_stream

from config.errors import ConfigError
from config.model_config import ModelConfig

# The values of .env.example; a copy that was not edited must not be taken for a key.
_PLACEHOLDER = re.compile(r"\A(?:your_\w+_here|org-x+|proj_x+)\Z", re.IGNORECASE)
_NUMBER = re.compile(r"_\d+\Z", re.ASCII)  # of one more key: OPENAI_API_KEY_2


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key of a provider, and the variable that holds it: that may be shown, the key never."""

    variable: str
    key: str = field(repr=False)


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

    def api_keys(self, config: ModelConfig) -> list[ApiKey]:
        """Return the keys of a model's provider, each once, in the order of their numbers.

        Those are its variable's and the numbered ones': OPENAI_API_KEY, OPENAI_API_KEY_2, ...
        """
        return self.keys_in(config.api_key_env) if config.api_key_env else []

    def keys_in(self, variable: str) -> list[ApiKey]:
        """Return the keys in a variable and in those that have a number after its name."""
        names = [n for n in self._variables if variable in (n, _NUMBER.sub("", n))]
        variable_of: dict[str, str] = {}
        for name in sorted(names, key=lambda name: (_number_of(name, variable), name)):
            if key := self.get(name):
                variable_of.setdefault(key, name)
        return [ApiKey(name, key) for key, name in variable_of.items()]

    def api_key(self, config: ModelConfig) -> str | None:
        """Return the first key of a model's provider, None where none is set or needed."""
        return next((each.key for each in self.api_keys(config)), None)

    def beside(self, name: str, key: ApiKey) -> str | None:
        """Return the variable that goes with a key: NAME, or NAME_2 with OPENAI_API_KEY_2."""
        number = _NUMBER.search(key.variable)
        return self.get(name + number[0] if number else name)

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


def _number_of(name: str, variable: str) -> int:
    """Return a key's number; the one without comes first."""
    return int(name.removeprefix(variable).removeprefix("_") or 0)


def _clean(value: str) -> str:
    stripped = value.strip().strip("\"'").strip()
    return "" if _PLACEHOLDER.fullmatch(stripped) else stripped
