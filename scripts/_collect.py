"""Plans, runs and reports a collection: a new one here, an old one in _resume.py."""

import asyncio
import logging
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from config.collection_settings import CollectionSettings, EvaluateMode, ProgressForm
from config.environment import Environment
from config.errors import ConfigError, SessionInUse, StoreError
from config.reply_reading import reading_words
from models.wire.client_pool import ClientPool
from reports.pass_counts import unjudged_answers
from runners.answers.reply_reader import reader_is_default
from runners.batch.batch_route import route_words
from runners.batch.batch_run import NO_WISHES, BatchWishes
from runners.collection_runner import RunOutcome
from runners.session.collection_plan import CollectionPlan, plan_collection
from runners.session.key_notes import key_notes
from runners.session.run_models import RunModels, build_models
from runners.session.session_run import run_session, session_metadata
from runners.session.tier_notes import tier_notes
from scripts._batches import all_in_batches
from scripts._call_sender import call_sender
from scripts._cli import EXIT_INCOMPLETE, EXIT_INTERRUPTED, EXIT_OK
from scripts._estimate import expected_cost, print_estimate
from scripts._prompts import print_first_prompts
from scripts._report import print_report, resume_command
from scripts._root import ROOT
from scripts._terminal import agrees
from storage.files.durability import WriteError
from storage.session.session_folder import check_sessions_can_be_made, session_folder
from storage.sessions import create_session
from storage.solution_store import SolutionStore

if TYPE_CHECKING:
    from evaluation.cage import Isolation

logger = logging.getLogger("collector")


def dry_run(
    settings: CollectionSettings,
    environment: Environment,
    *,
    session_id: str | None,
    show_prompts: bool = False,
) -> int:
    """Check everything that can be checked without a request, and say what would be asked.

    show_prompts: also print the first prompt of each kind, as it would be sent.
    """
    _refuse_taken_id(settings.output_dir, session_id)
    plan, models, _ = prepare(settings, environment, needs_keys=False)
    if has_nothing_to_ask(plan):
        return EXIT_OK
    check_sessions_can_be_made(settings.output_dir)
    sandbox(settings.evaluate)
    if show_prompts:
        print_first_prompts(plan.problems, plan.settings.prompt)
    print_estimate(models, plan.problems, settings, _missing_keys(models))
    logger.info("Dry run completed successfully")
    return EXIT_OK


def collect(
    settings: CollectionSettings,
    environment: Environment,
    *,
    session_id: str | None,
    ask_first: bool,
    progress: ProgressForm,
    detach: bool = False,
    ray: str | None = None,
) -> int:
    """Run a new session; returns the exit code. detach: leave once its batches are created.

    ray: the address of a cluster that makes the calls, None for this process.
    """
    _refuse_taken_id(settings.output_dir, session_id)
    plan, models, clients = prepare(settings, environment)
    if has_nothing_to_ask(plan):
        return EXIT_OK
    isolation = sandbox(settings.evaluate)
    if not settings.models:  # what was not named is no surprise on the bill
        cost = expected_cost(models, plan.problems, settings)
        calls = "1 call" if plan.total_tasks == 1 else f"{plan.total_tasks} calls"
        logger.info("%s: %s", calls, cost)
        if ask_first and not _confirmed():
            logger.info("Nothing was sent (--yes starts without asking)")
            return EXIT_OK

    def open_store() -> SolutionStore:
        store = create_session(
            plan.settings.output_dir, session_id, session_metadata(plan, time.time())
        )
        logger.info("Session %s", store.path)
        return store

    return run_and_report(
        *(plan, models, clients, open_store, progress),
        isolation=isolation,
        wishes=BatchWishes(detach=detach),
        ray=ray,
    )


def prepare(
    settings: CollectionSettings,
    environment: Environment,
    *,
    answered: int = 0,
    needs_keys: bool = True,
) -> tuple[CollectionPlan, RunModels, ClientPool]:
    """Return the plan and its models, each step said; answered: tasks of earlier runs."""
    logger.info("Initializing models...")
    plan = plan_collection(settings, environment, ROOT, date.today(), needs_keys=needs_keys)
    for note in plan.notes:
        logger.info("%s", note)
    for warning in plan.warnings:
        logger.warning("%s", warning)
    clients = ClientPool()
    models = build_models(plan, environment, clients)
    labels = [config.label for config in plan.models]
    logger.info("Initialized %d models: %s", len(labels), labels)
    for note in key_notes(models, batch=settings.batch):
        logger.info("%s", note)
    for note in tier_notes(models.answering, settings.tier, time.time()):
        logger.info("%s", note)
    logger.info("%s", _reading(settings, plan, environment))
    logger.info("Loading dataset...")
    logger.info("Loaded %d problems", len(plan.problems))
    if settings.batch:
        for words in route_words(models.answering, time.time()):
            logger.info("%s", words)
    for label in _too_cold_for_samples(models, plan.settings.samples):
        logger.warning(
            "%s: at temperature 0 its %d samples of a problem will be much alike; "
            "--temperature 0.8 makes them differ",
            label,
            plan.settings.samples,
        )
    if answered:
        logger.info("Already answered, not asked again: %d", answered)
    logger.info("Total tasks to complete: %d", plan.total_tasks - answered)
    return plan, models, clients


def has_nothing_to_ask(plan: CollectionPlan) -> bool:
    """Return whether the plan's shard holds no problem; it is said."""
    if plan.problems:
        return False
    logger.warning("Shard %s holds no problem: nothing was sent", plan.settings.shard)
    return True


def sandbox(mode: EvaluateMode) -> "Isolation | None":
    """Return the isolation in which answers can be judged here, None for not at all; it is said.

    Raises NoIsolation where they have to be and cannot.
    """
    if mode == "no":
        return None
    from evaluation.isolation import NoIsolation, find_isolation  # a run without starts sooner
    from evaluation.policy import Policy

    try:
        isolation = asyncio.run(find_isolation(None, Policy()))
    except NoIsolation:
        if mode == "yes":
            raise
        logger.warning(
            "Answers are not judged: no sandbox holds here (evaluate_session.py says why)"
        )
        return None
    logger.info("Answers are judged as they arrive, in a sandbox (%s)", isolation)
    return isolation


def _too_cold_for_samples(models: RunModels, samples: int) -> list[str]:
    if samples == 1:
        return []
    return [
        model.config.label
        for model in models.answering
        if model.temperature == 0 and model.config.accepts_temperature
    ]


def run_and_report(
    plan: CollectionPlan,
    models: RunModels,
    clients: ClientPool,
    open_store: Callable[[], SolutionStore],
    progress: ProgressForm,
    *,
    release: bool = False,
    isolation: "Isolation | None" = None,
    wishes: BatchWishes = NO_WISHES,
    ray: str | None = None,
) -> int:
    """Run a session to its end or interruption; print what came out; return the exit code.

    isolation: in which answers are judged as they arrive; None leaves them unjudged.
    wishes: what is done with batches. ray: where a cluster is that makes the calls, if one does.
    """
    opened: list[SolutionStore] = []

    def open_and_note() -> SolutionStore:
        opened.append(open_store())
        return opened[0]

    try:
        with call_sender(ray, models) as sender:
            run = run_session(
                *(plan, models, clients, open_and_note, progress),
                release=release,
                isolation=isolation,
                wishes=wishes,
                sender=sender,
            )
            store, outcome = asyncio.run(run)
    except (KeyboardInterrupt, StoreError) as error:
        if opened:
            _say_how_to_resume(opened[0], plan.settings.output_dir, error)
        raise
    is_evaluated = isolation is not None
    print_report(store, outcome, plan.settings.output_dir, is_evaluated=is_evaluated)
    return _exit_code(store, outcome, wishes, is_evaluated=is_evaluated)


def _say_how_to_resume(store: SolutionStore, output_dir: Path, error: BaseException) -> None:
    if not isinstance(error, SessionInUse):
        print("To resume this session:")
        print(f"  {resume_command(store.session_id, output_dir)}")
    if isinstance(error, WriteError):
        raise error.then("resume the session") from error


def _exit_code(
    store: SolutionStore, outcome: RunOutcome, wishes: BatchWishes, *, is_evaluated: bool
) -> int:
    if wishes.detach and not outcome.interrupted and all_in_batches(store, outcome):
        return EXIT_OK
    if outcome.interrupted and (outcome.undone or (is_evaluated and unjudged_answers(store))):
        return EXIT_INTERRUPTED
    return EXIT_INCOMPLETE if outcome.failed or outcome.undone else EXIT_OK


def _reading(settings: CollectionSettings, plan: CollectionPlan, environment: Environment) -> str:
    """Return how replies will be read, with the model's name where one is asked for code."""
    words = reading_words(plan.settings.extraction, plan.settings.extraction_model)
    by_default = plan.reader is not None and reader_is_default(settings, environment)
    more = " (by default: EXTRACTION_MODEL names another)" if by_default else ""
    return f"{words}{more}"


def _missing_keys(models: RunModels) -> dict[str, str]:
    """Return label -> variable of each model that a dry run counts, but that has no key yet."""
    return {
        model.config.label: model.config.api_key_env
        for model in models
        if not model.api_key and not model.config.key_is_optional
    }


def _refuse_taken_id(output_dir: Path, session_id: str | None) -> None:
    """Say so before the models are loaded; create_session makes sure."""
    if session_id is not None and session_folder(output_dir, session_id).exists():
        raise ConfigError(
            f"session {session_id!r} already exists in {output_dir}: choose another "
            f"--session-id, or resume that one: {resume_command(session_id, output_dir)}"
        )


def _confirmed() -> bool:
    """Ask whether to go on; where nobody is there to answer, go on."""
    return not sys.stdin.isatty() or agrees("Go on? [y/N] ")
