"""Goes on with a session: its own parameters, what it lacks, what may have changed since."""

import asyncio
import logging
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from config.collection_settings import CollectionSettings, EvaluateMode, ProgressForm
from config.environment import Environment
from config.errors import ConfigError
from reports.pass_counts import unjudged_answers
from runners.batch.batch_run import NO_WISHES, BatchWishes
from runners.session.collection_plan import CollectionPlan
from runners.session.dataset_changes import dataset_changes
from runners.session.model_choice import recorded_settings
from runners.session.session_run import finish_session, judge_the_rest
from scripts._batches import may_cancel
from scripts._cli import EXIT_OK
from scripts._collect import has_nothing_to_ask, prepare, run_and_report, sandbox
from scripts._pass_rates import print_pass_rates
from storage.records.batch_ledger import BatchLedger
from storage.session.manifest import SessionMetadata
from storage.sessions import open_session
from storage.solution_store import SolutionStore

if TYPE_CHECKING:
    from evaluation.cage import Isolation

logger = logging.getLogger("collector")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeWishes:
    """What a resume is to do otherwise than the session did.

    accept_changes: go on although problems have changed. max_cost_usd: another cap, None for the
    session's. samples: how many answers to each problem there are to be, None for as many as
    before. release: what is reserved for calls that may have been billed is free again.
    evaluate: whether answers are judged from now on, None for as before. batches: what is done
    with batches; ask_before_cancelling: where that is to cancel them. workers: processes that read
    a large session as it is opened. ray: the address of a cluster that makes the calls, None for
    this process.
    """

    accept_changes: bool
    max_cost_usd: float | None
    samples: int | None
    release: bool
    evaluate: EvaluateMode | None
    batches: BatchWishes = NO_WISHES
    ask_before_cancelling: bool = True
    ray: str | None = None
    workers: int = 1


def resume(
    output_dir: Path,
    session_id: str,
    environment: Environment,
    wishes: ResumeWishes,
    progress: ProgressForm,
) -> int:
    """Go on with a session where anything is left to do; returns the exit code."""
    store = open_session(output_dir, session_id, workers=wishes.workers)
    metadata = store.metadata
    assert metadata is not None, "open_session refuses a session without metadata"
    settings = CollectionSettings.from_parameters(metadata.session_parameters)
    samples = _wanted_samples(metadata, wishes.samples)
    ledger = BatchLedger(store.path)
    if wishes.batches.cancel and not may_cancel(ledger, ask=wishes.ask_before_cancelling):
        return EXIT_OK
    has_batches = any(batch.step == "lost" or batch.is_unsettled for batch in ledger)
    if not has_batches and _is_finished(store, metadata, samples):
        finish_session(store, release=wishes.release)
        print(f"Session {store.session_id} is finished: every task is answered. Nothing was sent")
        _judge_the_rest(store, settings, wishes, progress)
        return EXIT_OK
    settings = replace(
        recorded_settings(_as_wished(settings, wishes), environment),
        output_dir=output_dir,
        samples=samples,
    )
    answered = sum(store.answered_counts().values())
    plan, models, clients = prepare(settings, environment, answered=answered)
    _refuse_other_models(plan, metadata)
    _check_dataset(plan, metadata, wishes.accept_changes)
    if has_nothing_to_ask(plan):
        return EXIT_OK
    return run_and_report(
        *(plan, models, clients, lambda: store, progress),
        release=wishes.release,
        isolation=_sandbox(settings, wishes),
        wishes=wishes.batches,
        ray=wishes.ray,
    )


def _as_wished(settings: CollectionSettings, wishes: ResumeWishes) -> CollectionSettings:
    return replace(
        settings,
        max_cost_usd=wishes.max_cost_usd or settings.max_cost_usd,
        evaluate=wishes.evaluate or settings.evaluate,
    )


def _sandbox(settings: CollectionSettings, wishes: ResumeWishes) -> "Isolation | None":
    """Return where answers are judged; what the session once asked for does not stop a resume."""
    if wishes.evaluate is None and settings.evaluate == "yes":
        return sandbox("auto")
    return sandbox(wishes.evaluate or settings.evaluate)


def _judge_the_rest(
    store: SolutionStore,
    settings: CollectionSettings,
    wishes: ResumeWishes,
    progress: ProgressForm,
) -> None:
    """Judge what the session's runs were to judge and did not come to."""
    if (wishes.evaluate or settings.evaluate) == "no" or not unjudged_answers(store):
        return
    if isolation := _sandbox(settings, wishes):
        asyncio.run(judge_the_rest(store, isolation, progress))
        print_pass_rates(store)


def _refuse_other_models(plan: CollectionPlan, metadata: SessionMetadata) -> None:
    labels = [config.label for config in plan.models]
    if labels != metadata.models:
        raise ConfigError(
            f"the session asked {', '.join(metadata.models)}, but the same names now mean "
            f"{', '.join(labels)}: put back config/model_configs.py or LOCAL_GGUF_PATH"
        )


def _wanted_samples(metadata: SessionMetadata, samples: int | None) -> int:
    if samples is not None and samples < metadata.samples:
        raise ConfigError(
            f"--samples {samples}: the session asks for {metadata.samples} answers to each problem "
            "already, and never for fewer"
        )
    return samples or metadata.samples


def _is_finished(store: SolutionStore, metadata: SessionMetadata, samples: int) -> bool:
    if metadata.asked is None:
        counts, wanted = store.answered_counts(), metadata.total_problems * samples
        return all(counts.get(model, 0) >= wanted for model in metadata.models)
    asked, numbers = metadata.asked, range(1, samples + 1)
    return all(
        all(key in answered for key in product(asked, numbers))
        for answered in map(store.answered, metadata.models)
    )


def _check_dataset(plan: CollectionPlan, metadata: SessionMetadata, accept_changes: bool) -> None:
    """Raise ConfigError where problems changed since the session began and that is not accepted."""
    if metadata.dataset is None:
        logger.warning("This session kept no hashes of its problems: changes cannot be noticed")
        return
    changes = dataset_changes(metadata.dataset, plan.content_hashes)
    if not changes:
        return
    said = f"{plan.settings.dataset_path} is not what the session started with: {changes}"
    if not accept_changes:
        raise ConfigError(f"{said}. To continue anyway: --accept-dataset-changes")
    logger.warning("%s", said)
