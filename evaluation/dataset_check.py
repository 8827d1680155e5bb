"""The problems that a session is judged by: those that it was asked, unchanged."""

from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from config.errors import ConfigError
from prompts.problems import Problem, load_problems

_MOST_NAMED = 10


def problems_of(
    dataset: Path, asked: Mapping[str, str] | None, answered: Set[str], categories: Sequence[str]
) -> list[Problem]:
    """Return the problems that have answers.

    asked: task_id -> content hash, as the session kept it; None where it kept none.
    Raises ConfigError naming the problems that are not what was asked, DatasetError where the
    dataset cannot be read.
    """
    problems = load_problems(dataset, categories)
    if asked is not None:
        now = {problem.task_id: problem.content_hash for problem in load_problems(dataset)}
        _check(dataset, {task: asked[task] for task in asked.keys() & answered}, now)
    return [problem for problem in problems if problem.task_id in answered]


def _check(dataset: Path, asked: Mapping[str, str], now: Mapping[str, str]) -> None:
    changes = [
        f"{task_id} is gone" if task_id not in now else f"{task_id} changed"
        for task_id in sorted(asked)
        if now.get(task_id) != asked[task_id]
    ]
    if changes:
        more = f" and {len(changes) - _MOST_NAMED} more" if len(changes) > _MOST_NAMED else ""
        named = ", ".join(changes[:_MOST_NAMED])
        raise ConfigError(
            f"{dataset} is not the dataset of this session: {named}{more}. "
            "Name the right one with --dataset-path"
        )
