"""How many of a session's answers are judged and passed, read from the verdicts on disk."""

from dataclasses import dataclass
from itertools import chain

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


def model_verdicts(store: SolutionStore, model: str) -> dict[tuple[str, int], bool | None]:
    """Return (task_id, sample) -> passed, None for not run, of answers that were tried."""
    answered = store.answered(model)
    verdicts: dict[tuple[str, int], bool | None] = {}
    for path in chain.from_iterable(store.answer_files(model)):
        for judged in judged_answers(path):
            key = (judged.task_id, judged.sample)
            if judged.model == model and key in answered:
                verdicts[key] = judged.passed
    return verdicts


def _counts(store: SolutionStore, model: str) -> PassCounts:
    verdicts = model_verdicts(store, model)
    passed = sum(passed is True for passed in verdicts.values())
    not_run = sum(passed is None for passed in verdicts.values())
    judged, tried = len(verdicts) - not_run, len(verdicts)
    return PassCounts(passed, judged, not_run, len(store.answered(model)) - tried)
