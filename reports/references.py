"""The problems of a session, from its dataset: those that are still as it asked them."""

from collections.abc import Iterable
from pathlib import Path

from config.errors import CollectionError
from prompts.problems import Problem, load_problems
from storage.solution_store import SolutionStore


def references_of(
    store: SolutionStore, problems: Iterable[Problem] | None = None
) -> tuple[dict[str, Problem], list[str]]:
    """Return task_id -> problem that is still what the session asked, and what is amiss.

    problems: those of the session's dataset, where the caller has them.
    """
    parameters = store.metadata.session_parameters if store.metadata else {}
    hashes = (store.metadata and store.metadata.dataset) or {}
    path = parameters.get("dataset_path")
    if not isinstance(path, str):
        return {}, ["The session does not say where its problems are: no reference solutions."]
    try:
        problems = load_problems(Path(path)) if problems is None else problems
    except CollectionError:
        return {}, [f"The problems cannot be read at {path} any more: no reference solutions."]
    same = {p.task_id: p for p in problems if hashes.get(p.task_id) == p.content_hash}
    if not hashes:
        return {}, ["The session kept no hashes of its problems: no reference solutions."]
    changed = len(hashes.keys() - same.keys())
    if changed:
        return same, [
            f"{changed} of {len(hashes)} problems changed at {path} since: no reference solution "
            "is shown for these."
        ]
    return same, []
