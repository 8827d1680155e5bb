"""The evaluation of sessions, from their folders to a printed table."""

import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from config.errors import ConfigError, SessionInUse
from evaluation.answers import Answer, AnswerFiles, answer_files, answers_in
from evaluation.cage import Isolation
from evaluation.dataset_check import problems_of
from evaluation.evaluate import Evaluation
from evaluation.evaluation_log import EvaluationLog, Key, Known
from evaluation.isolation import find_isolation
from evaluation.judge import Judge
from evaluation.policy import Policy
from evaluation.sandbox import NewSandbox
from evaluation.score_files import write_conditions, write_scores
from evaluation.scores import pairs, scores
from evaluation.worker import Worker
from prompts.problems import Problem
from reports.report import write_report_or_warn
from runners.progress.judging_progress import JudgingProgress
from runners.progress.terminal_text import printable
from scripts._engine import joined_cluster, warn
from scripts._evaluation_report import print_bad_problems, print_scores
from storage.session.session_lock import SessionLock
from storage.sessions import open_session
from storage.solution_store import SolutionStore

_RED, _PLAIN = "\x1b[1;31m", "\x1b[0m"
_UNSAFE = "NO SANDBOX: answers run with nothing between them and this machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRequest:
    """What one command line asks for.

    places: output folder and id of each session. isolation: None for the best that holds.
    ray: the address of a cluster to judge on, None for this machine.
    """

    places: list[tuple[Path, str]]
    policy: Policy
    isolation: Isolation | None
    workers: int
    ray: str | None
    models: list[str]
    categories: list[str]
    dataset: Path | None
    again: bool
    self_test_only: bool


async def evaluate_sessions(request: EvaluationRequest) -> bool:
    """Return whether every answer has a verdict.

    Raises NoIsolation where no sandbox holds, ConfigError for what cannot be judged as asked.
    """
    stores = [open_session(*place, workers=request.workers) for place in request.places]
    work = [(store, _problems(store, request)) for store in stores]
    async with _sandboxes(request) as sandboxes:
        return await _evaluate_all(work, sandboxes, request)


@dataclass(frozen=True, slots=True)
class _Sandboxes:
    """Where jobs run, and how many at once."""

    isolation: Isolation
    count: int
    new: NewSandbox


@contextlib.asynccontextmanager
async def _sandboxes(request: EvaluationRequest) -> AsyncIterator[_Sandboxes]:
    """Yield where jobs run: on this machine, or on the nodes of a cluster."""
    if request.ray is None:
        isolation = await find_isolation(request.isolation, request.policy)
        _say_isolation(isolation)
        yield _Sandboxes(isolation, request.workers, Worker)
        return
    from runners.cluster.cluster_sandboxes import ClusterSandboxes

    with joined_cluster(request.ray) as cluster:
        there = ClusterSandboxes(cluster, request.policy)
        isolation = await there.open(request.isolation)
        warn(there.warnings)
        _say_isolation(isolation)
        yield _Sandboxes(isolation, there.count, there.new_sandbox)
        if there.lost:
            warn([f"processors lost: {there.lost}; what they had in hand was judged again"])


async def _evaluate_all(
    work: list[tuple[SolutionStore, list[Problem]]],
    sandboxes: _Sandboxes,
    request: EvaluationRequest,
) -> bool:
    all_known: list[tuple[Key, Known]] = []
    is_whole = True
    for store, problems in work:
        known, is_judged = await _evaluate(store, problems, sandboxes, request)
        is_whole = is_whole and is_judged
        all_known += [
            # One problem in two sessions is the same one where its tests are.
            ((f"{store.session_id}/{model}", known.basis.tests_sha or task, sample), known)
            for (model, task, sample), known in known
        ]
    if len(work) > 1:
        found = scores(all_known)
        print("\nAll sessions:")
        print_scores(found, pairs(found))
    return is_whole


async def _evaluate(
    store: SolutionStore,
    problems: list[Problem],
    sandboxes: _Sandboxes,
    request: EvaluationRequest,
) -> tuple[list[tuple[Key, Known]], bool]:
    files = _files(store, request)
    log = EvaluationLog(store.path)
    with SessionLock(log.folder):
        for said in log.open():
            print(printable(said))
        judge = Judge(
            sandboxes.isolation, request.policy, sandboxes.count, new_sandbox=sandboxes.new
        )
        async with judge:
            await _self_test(judge, problems, log)
            if not request.self_test_only:
                await _judge_answers(judge, log, files, sandboxes.count, again=request.again)
            bad = dict(judge.bad_problems)
        models = {file.model for file in files}
        known = [(key, known) for key, known in log.known.items() if key[0] in models]
        found = scores(known)
        compared = pairs(found)
        write_conditions(log, sandboxes.isolation, request.policy, problems)
        write_scores(log, found, compared, bad)
    _refresh_views(store)
    if found:
        print(printable(f"\n{store.session_id}"))
        print_scores(found, compared)
    print_bad_problems(bad)
    print(f"\nVerdicts: {log.folder}")
    not_run = sum(score.verdicts.get("not_run", 0) for score in found.values())
    return known, not bad and not not_run


def _refresh_views(store: SolutionStore) -> None:
    """Bring the session's own summary.json, comparison and report up to date.

    Where a run owns the session it writes them itself, and finds the verdicts there.
    """
    with contextlib.suppress(SessionInUse), SessionLock(store.path):
        fresh = open_session(store.path.parent, store.session_id)
        fresh.save_analysis_summary()
        fresh.save_cross_model_comparison()
        write_report_or_warn(fresh)


async def _self_test(judge: Judge, problems: list[Problem], log: EvaluationLog) -> None:
    async with aclosing(judge.prepare(problems, log.self_tests)) as records:
        async for record in records:
            log.append_self_test(record)
    good = len(problems) - len(judge.bad_problems)
    print(f"Self-test: {good} of {len(problems)} problems are good", flush=True)


async def _judge_answers(
    judge: Judge, log: EvaluationLog, files: list[AnswerFiles], workers: int, *, again: bool
) -> None:
    progress = JudgingProgress()
    evaluation = Evaluation(
        judge,
        log,
        workers=workers,
        again=again,
        on_progress=progress.show,
    )
    evaluation.counts.total = sum(1 for file in files for _ in answers_in(file))
    try:
        await evaluation.run(_answers(files))
    finally:
        progress.finish()
    counts = evaluation.counts
    known = f", {counts.skipped} known already" if counts.skipped else ""
    shared = f", {counts.shared} alike" if counts.shared else ""
    print(f"Judged: {counts.judged}{known}{shared}")


async def _answers(files: list[AnswerFiles]) -> AsyncIterator[tuple[Answer, Path]]:
    for some in files:
        for pair in answers_in(some):
            yield pair


def _files(store: SolutionStore, request: EvaluationRequest) -> list[AnswerFiles]:
    store.sync()
    files = store.category_files()
    wanted = [_named(model, list(files)) for model in request.models]
    return answer_files(files, wanted, request.categories)


def _named(wanted: str, models: list[str]) -> str:
    """Return the model of that name, -, _ and . being alike."""
    for model in models:
        if _plain(model) == _plain(wanted):
            return model
    raise ConfigError(f"no answers of a model {wanted!r}: there are {', '.join(models) or 'none'}")


def _plain(name: str) -> str:
    return name.lower().translate(str.maketrans("_.", "--"))


def _problems(store: SolutionStore, request: EvaluationRequest) -> list[Problem]:
    metadata = store.metadata
    dataset = request.dataset
    if dataset is None:
        named = metadata.session_parameters.get("dataset_path") if metadata else None
        if not isinstance(named, str):
            raise ConfigError("the session does not say which problems it asked: --dataset-path")
        dataset = Path(named)
    answered = {
        answer.task_id for files in _files(store, request) for answer, _ in answers_in(files)
    }
    asked = metadata.dataset if metadata else None
    return problems_of(dataset, asked, answered, request.categories)


def _say_isolation(isolation: Isolation) -> None:
    if isolation != "none":
        print(f"Isolation: {isolation} (checked: a solution that tried to break out was held)")
    elif sys.stdout.isatty():
        print(f"{_RED}{_UNSAFE}{_PLAIN}")
    else:
        print(_UNSAFE)
