"""The problems of a session, from its dataset: those that are still as it asked them."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from config.errors import CollectionError
from prompts.problems import Problem, iterate_problems
from storage.solution_store import SolutionStore

Kept = TypeVar("Kept")


def references_of(
    store: SolutionStore, keep: Callable[[Problem], Kept | None]
) -> tuple[dict[str, Kept], list[str]]:
    """Return what to keep of each problem that is still what the session asked, and what is amiss.

    keep: what is wanted of a problem, by its task_id then; None where it is nothing.
    """
    parameters = store.metadata.session_parameters if store.metadata else {}
    hashes = (store.metadata and store.metadata.dataset) or {}
    path = parameters.get("dataset_path")
    if not isinstance(path, str):
        return {}, ["The session does not say where its problems are: no reference solutions."]
    if not hashes:
        return {}, ["The session kept no hashes of its problems: no reference solutions."]
    kept: dict[str, Kept] = {}
    changed = len(hashes)
    try:
        for problem in iterate_problems(Path(path)):
            if hashes.get(problem.task_id) == problem.content_hash:
                changed -= 1
                if (found := keep(problem)) is not None:
                    kept[problem.task_id] = found
    except CollectionError:
        return {}, [f"The problems cannot be read at {path} any more: no reference solutions."]
    if changed:
        return kept, [
            f"{changed} of {len(hashes)} problems changed at {path} since: no reference solution "
            "is shown for these."
        ]
    return kept, []
