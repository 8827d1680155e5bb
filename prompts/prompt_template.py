"""A problem in, the prompt that every model gets out."""

from dataclasses import dataclass

from prompts.problems import Problem
from prompts.system_prompts import SOLVE

# Goes into every record; to be raised with any change to the words below or in SOLVE.
PROMPT_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Prompt:
    """What one call says: the system text (may be empty) and the user's text."""

    system: str
    user: str

    @property
    def joined(self) -> str:
        """Both texts as one, for models that take a single text."""
        return f"{self.system}\n\n{self.user}" if self.system else self.user


def build_prompt(problem: Problem) -> Prompt:
    """Return the prompt for a problem: its text, the exact name asked for, and the form."""
    placeholder = "cls" if problem.object == "class" else "func"
    kind = problem.object or "function or class"
    user = (
        f"{problem.problem.rstrip()}\n\n"
        f"Write this {kind} in Python and name it exactly `{problem.name}`. Where the text above "
        f"says `{placeholder}`, it means `{problem.name}`.\n"
        "Reply with one ```python code block that holds the whole solution: every import and "
        "helper it needs, no tests, no example usage and no input or output."
    )
    return Prompt(system=SOLVE, user=user)
