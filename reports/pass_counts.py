"""How many of a session's answers are judged and passed, read from the verdicts on disk."""

from dataclasses import dataclass

from storage.solution_store import SolutionStore
from storage.views.verdicts import judged_answers


@dataclass(frozen=True, slots=True)
class PassCounts:
    """One model's answers: passed of those with a verdict, not_run, and those nobody tried yet."""

    passed: int
    judged: int
    not_run: int
    unjudged: int


def pass_counts(store: SolutionStore) -> dict[str, PassCounts]:
    """Return model -> its counts, for models with answers; also while answers are being judged."""
    return {model: _counts(store, model) for model in store.answered_counts()}


def unjudged_answers(store: SolutionStore) -> int:
    """Return how many answers nobody has tried to judge."""
    return sum(counts.unjudged for counts in pass_counts(store).values())


def _counts(store: SolutionStore, model: str) -> PassCounts:
    answered = store.answered(model)
    verdicts: dict[tuple[str, int], bool | None] = {}
    for path in dict.fromkeys(store.get_category_files(model).values()):
        for judged in judged_answers(path):
            key = (judged.task_id, judged.sample)
            if judged.model == model and key in answered:
                verdicts[key] = judged.passed
    passed = sum(passed is True for passed in verdicts.values())
    not_run = sum(passed is None for passed in verdicts.values())
    return PassCounts(passed, len(verdicts) - not_run, not_run, len(answered) - len(verdicts))
