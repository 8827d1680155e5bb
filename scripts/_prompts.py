"""What --show-prompt prints: the first prompt of each kind, as it would be sent."""

from collections.abc import Sequence

from config.prompt_text import PromptText
from prompts.placed_problems import AskedProblem
from prompts.problem import Problem
from prompts.prompt_template import build_prompt
from runners.progress.terminal_text import printable


def print_first_prompts(problems: Sequence[AskedProblem], text: PromptText | None) -> None:
    """Print the prompt of the first function, the first class, and the first of no said kind.

    text: the words around every problem, None for the default's.
    """
    first: dict[str, Problem] = {}
    for problem in (each.read() for each in problems):
        first.setdefault(problem.object or "function or class", problem)
    for kind, problem in first.items():
        prompt = build_prompt(problem, text)
        print(f"\nThe first prompt for a {kind} ({printable(problem.task_id)})")
        print(f"--- system\n{_shown(prompt.system)}\n--- user\n{_shown(prompt.user)}")
    print("---")


def _shown(text: str) -> str:
    return "\t".join(map(printable, text.split("\t")))
