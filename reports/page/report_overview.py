"""The figures of report.html: everything but the texts, as the JSON that the page reads."""

from collections.abc import Mapping, Sequence
from itertools import chain

import msgspec

from config.prompt_text import prompt_of
from config.reply_reading import recorded_reading
from prompts.prompt_template import prompt_version
from reports.latencies import answers_of, latencies_of
from reports.outcomes import Outcome, ProblemOutcomes, SessionOutcomes
from reports.page.judged import (
    EvaluationLine,
    JudgedModel,
    Judgements,
    count_judged,
    evaluation_line,
    judged_model,
)
from reports.page.timeline import make_timeline
from reports.page.verdict_letters import LETTERS
from reports.ranking import RankedRow
from reports.session_ranking import session_ranking
from storage.files.utf8_text import clean_text, clean_value
from storage.records.solution_record import FinishReason
from storage.records.tallies import Tally, total
from storage.session.session_condition import condition_words
from storage.solution_store import SolutionStore
from storage.views.summaries import by_model

_FINISH_REASONS: tuple[FinishReason, ...] = ("stop", "length", "refusal", "filtered", "other")
_RETRIED = "before an answer (kind not kept)"


class Model(msgspec.Struct):
    """One model's row of the overview; cost_usd leaves out `unpriced` answers.

    seconds: the curve of reports/latencies.py. finish_reasons: of replies that could be read.
    verdicts, cell_seconds: of each problem's first sample. samples: (valid, attempted) of each
    problem, () where there is one sample a problem. tests: None where nothing was evaluated.
    """

    label: str
    answered: int
    valid: int
    failed: int
    undone: int
    truncated: int
    refused: int
    empty: int
    unread: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
    unpriced: int
    retries: int
    median_seconds: float | None
    p95_seconds: float | None
    seconds: tuple[float, ...]
    finish_reasons: dict[str, int]
    answers_over_time: list[int]
    verdicts: str
    cell_seconds: list[float | None]
    samples: list[tuple[int, int]]
    categories: list[tuple[int, int]]
    tests: JudgedModel | None = None


class Problems(msgspec.Struct):
    """The problems' columns; category: its place in Overview.categories."""

    task_id: list[str]
    category: list[int]
    complexity: list[int | None]
    name: list[str]
    title: list[str]


class Overview(msgspec.Struct):
    """What the page shows before anything is opened.

    status: how the session stands, in words for people.
    width_seconds, starts: the stretches of time; errors: kind -> count in each.
    reading: how replies were read, "" where that is not known.
    notes: sentences for people about what the page cannot show.
    ranking: the models by rank, [] where nothing was judged.
    """

    session_id: str
    status: str
    started: float | None
    written: float
    total_problems: int
    reading: str
    samples: int
    prompt: str
    parameters: dict[str, object]
    categories: list[str]
    models: list[Model]
    problems: Problems
    width_seconds: int
    starts: list[float | None]
    errors: dict[str, list[int]]
    notes: list[str]
    evaluation: EvaluationLine
    ranking: list[RankedRow]


def make_overview(
    store: SolutionStore,
    outcomes: SessionOutcomes,
    judgements: Judgements,
    notes: list[str],
    written: float,
) -> Overview:
    """Return the figures of a session."""
    problems = outcomes.problems
    metadata = store.metadata
    parameters = metadata.session_parameters if metadata else {}
    answered_categories = {category for _, category in store.tallies}
    categories = sorted(answered_categories.union(problem.category for problem in problems))
    errors = _errors(outcomes)
    answered = {m: [o.finished for o in answers_of(outcomes, m)] for m in outcomes.models}
    timeline = make_timeline(list(chain(*answered.values(), *errors.values())))
    counts = {model: timeline.counts(moments) for model, moments in answered.items()}
    judged = count_judged(store, outcomes, judgements)
    return Overview(
        session_id=store.session_id,
        status=condition_words(store),
        started=metadata.collection_start if metadata else None,
        written=written,
        total_problems=_planned(store, outcomes),
        reading=clean_text(recorded_reading(parameters)),
        samples=store.samples,
        prompt=clean_text(prompt_version(prompt_of(parameters))),
        parameters={name: clean_value(value) for name, value in parameters.items()},
        categories=categories,
        models=_models(store, outcomes, judgements, categories, counts),
        problems=_columns(problems, categories),
        width_seconds=timeline.width_seconds,
        starts=timeline.starts,
        errors={kind: timeline.counts(moments) for kind, moments in sorted(errors.items())},
        notes=[clean_text(note) for note in notes],
        evaluation=evaluation_line(store, judged),
        ranking=session_ranking(store, outcomes) if judged.isolations else [],
    )


def _models(
    store: SolutionStore,
    outcomes: SessionOutcomes,
    judgements: Judgements,
    categories: Sequence[str],
    answers_over_time: Mapping[str, list[int]],
) -> list[Model]:
    models = []
    for label in outcomes.models:
        model = _model(store, outcomes, label, categories, answers_over_time[label])
        model.tests = judged_model(label, outcomes.problems, judgements, categories, store.samples)
        models.append(model)
    return models


def _model(
    store: SolutionStore,
    outcomes: SessionOutcomes,
    label: str,
    categories: Sequence[str],
    answers_over_time: list[int],
) -> Model:
    kinds = by_model(store.tallies).get(label, {})
    whole = total(kinds.values()) if kinds else Tally()
    answers, latencies = answers_of(outcomes, label), latencies_of(outcomes, label)
    failures = _failures_of(outcomes, label)
    reasons = [answer.finish_reason for answer in answers if answer.verdict != "unread"]
    return Model(
        label=label,
        answered=whole.answered,
        valid=whole.valid,
        failed=whole.failed,
        undone=max(0, _planned(store, outcomes) * store.samples - whole.attempted),
        truncated=whole.truncated,
        refused=whole.refused,
        empty=whole.empty,
        unread=whole.unread,
        input_tokens=whole.input_tokens,
        output_tokens=whole.output_tokens,
        cost_usd=whole.cost_usd,
        unpriced=whole.unpriced,
        retries=sum(tried.attempts - 1 for tried in [*answers, *failures]),
        median_seconds=latencies.median,
        p95_seconds=latencies.p95,
        seconds=latencies.curve,
        finish_reasons={reason: reasons.count(reason) for reason in _FINISH_REASONS},
        answers_over_time=answers_over_time,
        verdicts="".join(LETTERS[problem.verdict(label)] for problem in outcomes.problems),
        cell_seconds=[_rounded(problem.first(label)) for problem in outcomes.problems],
        samples=[problem.valid_samples(label) for problem in outcomes.problems]
        if store.samples > 1
        else [],
        categories=[_valid_of(kinds.get(category, Tally())) for category in categories],
    )


def _planned(store: SolutionStore, outcomes: SessionOutcomes) -> int:
    """Return how many problems every model was to be asked."""
    return store.metadata.total_problems if store.metadata else len(outcomes.problems)


def _failures_of(outcomes: SessionOutcomes, label: str) -> list[Outcome]:
    tried = (problem.by_model.get(label, ()) for problem in outcomes.problems)
    return [outcome for one in tried for outcome in one if outcome.verdict == "failed"]


def _columns(problems: Sequence[ProblemOutcomes], categories: Sequence[str]) -> Problems:
    places = {category: place for place, category in enumerate(categories)}
    return Problems(
        task_id=[problem.task_id for problem in problems],
        category=[places[problem.category] for problem in problems],
        complexity=[problem.complexity for problem in problems],
        name=[problem.name for problem in problems],
        title=[problem.title for problem in problems],
    )


def _errors(outcomes: SessionOutcomes) -> dict[str, list[float]]:
    errors: dict[str, list[float]] = {}
    for started, kind in outcomes.failed_attempts:
        errors.setdefault(kind, []).append(started)
    for problem in outcomes.problems:
        for outcome in problem.outcomes:
            if outcome.verdict != "failed" and outcome.attempts > 1:
                moments = [outcome.finished] * (outcome.attempts - 1)
                errors.setdefault(_RETRIED, []).extend(moments)
    return errors


def _rounded(outcome: Outcome | None) -> float | None:
    return round(outcome.seconds, 2) if outcome and outcome.seconds is not None else None


def _valid_of(tally: Tally) -> tuple[int, int]:
    return tally.valid, tally.attempted
