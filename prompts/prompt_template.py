"""A problem in, the prompt that every model gets out."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from config.errors import ConfigError
from config.prompt_text import PromptText
from prompts.problems import Problem
from prompts.prompt_files import DEFAULT_NAME, prompt_name, read_prompt, read_system
from prompts.system_prompts import SOLVE

# Goes into every record; to be raised with any change to the words of default.txt or SOLVE.
PROMPT_VERSION = "1"
DEFAULT_PROMPT = PromptText(name=DEFAULT_NAME, user=read_prompt(DEFAULT_NAME), system=SOLVE)

_FIELDS = ("problem", "name", "kind", "placeholder", "category", "task_id")
_FIELD = re.compile(r"\{\{|\}\}|\{([a-z_]{1,40})\}")


@dataclass(frozen=True, slots=True)
class Prompt:
    """What one call says: the system text (may be empty) and the user's text."""

    system: str
    user: str

    @property
    def joined(self) -> str:
        """Both texts as one, for models that take a single text."""
        return f"{self.system}\n\n{self.user}" if self.system else self.user


def build_prompt(problem: Problem, text: PromptText | None = None) -> Prompt:
    """Return the prompt for a problem, in the words of text, or of default.txt without one."""
    text = text or DEFAULT_PROMPT
    values = {
        "problem": problem.problem.rstrip(),
        "name": problem.name,
        "kind": problem.object or "function or class",
        "placeholder": "cls" if problem.object == "class" else "func",
        "category": problem.category,
        "task_id": problem.task_id,
    }
    return Prompt(system=text.system, user=_filled(text.user, values))


def prompt_version(text: PromptText | None) -> str:
    """Return what a record says of its prompt: PROMPT_VERSION, or "name@hash" for another text."""
    if text is None or text == DEFAULT_PROMPT:
        return PROMPT_VERSION
    whole = f"{text.system}\0{text.user}".encode("utf-8", "surrogatepass")
    return f"{text.name}@{hashlib.sha256(whole).hexdigest()[:12]}"


def choose_prompt(name_or_file: str | None, system: str | None) -> PromptText | None:
    """Return the prompt that --prompt and --system ask for, None for the default.

    Raises ConfigError where one cannot be read, or has fields that there are not.
    """
    if name_or_file is None and system is None:
        return None
    chosen = name_or_file or DEFAULT_NAME
    text = PromptText(
        name=prompt_name(chosen),
        user=read_prompt(chosen),
        system=SOLVE if system is None else read_system(system),
    )
    _check_fields(text)
    return None if text == DEFAULT_PROMPT else text


def _check_fields(text: PromptText) -> None:
    """Raise ConfigError where a prompt has no problem in it, or a field that there is not."""
    found = {match[1] for match in _FIELD.finditer(text.user) if match[1]}
    known = ", ".join(f"{{{field}}}" for field in _FIELDS)
    for field in sorted(found - set(_FIELDS)):
        raise ConfigError(
            f"prompt {text.name}: no field {{{field}}}; there are {known} "
            f"(write {{{{{field}}}}} for the text itself)"
        )
    if "problem" not in found:
        raise ConfigError(f"prompt {text.name}: {{problem}} is missing; there are {known}")


def _filled(template: str, values: Mapping[str, str]) -> str:
    """Return the template with its fields filled in; what is filled in is not looked at again."""

    def value(match: re.Match[str]) -> str:
        return match[0][0] if match[1] is None else values.get(match[1], match[0])

    return _FIELD.sub(value, template)
