"""What earlier runs of a session may have cost: taken up by the next one, or released."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from msgspec.structs import replace

from config.clock import Clock
from prompts.prompt_template import build_prompt
from runners.batch.batch_money import answers_usd_of, release_lost, take_up_batch_money
from runners.calls.budget import worst_case_usd
from runners.session.collection_plan import CollectionPlan
from runners.session.run_models import RunModels
from storage.records.batch_ledger import BatchLedger
from storage.session.progress_file import read_progress
from storage.session.spending_file import Spending, read_spending, write_spending
from storage.solution_store import SolutionStore

logger = logging.getLogger("collector")


def take_up_money(
    store: SolutionStore, lost_usd: Callable[[], float], clock: Clock, *, release: bool
) -> Spending:
    """Return what earlier runs may have cost, calls and batches, once it is on the disk.

    lost_usd: as take_up_spending has it. release: the user says that nothing was billed but the
    answers, and what is still open.
    """
    ledger = BatchLedger(store.path)
    if release:
        release_lost(ledger, clock.time())
    spending = take_up_batch_money(store, ledger, take_up_spending(store, lost_usd))
    return release_reserved(store, spending) if release else spending


def take_up_spending(store: SolutionStore, lost_usd: Callable[[], float]) -> Spending:
    """Return what earlier runs of a session may have cost, once it is on the disk.

    lost_usd: asked where spending.json is lost, or from before there was one: the worst case of
        the calls whose end is not known.
    """
    kept = read_spending(store.path)
    if kept is None:
        progress = read_progress(store.path)
        known_usd = max(store.answers_usd, progress.spent_usd if progress else 0.0)
        kept = Spending(committed_usd=known_usd + lost_usd())
        write_spending(store.path, kept)
    elif kept.committed_usd < store.answers_usd:
        # What was landed of a batch that is not settled counts once that is.
        answers_usd = store.answers_usd - answers_usd_of(store, kept.held_usd.keys())
        if kept.committed_usd < answers_usd:
            kept = replace(kept, committed_usd=answers_usd)
            write_spending(store.path, kept)
    return kept


def release_reserved(store: SolutionStore, spending: Spending) -> Spending:
    """Return what the answers alone cost, once it is on the disk: no other call was billed.

    What is held for something that is still open, such as a batch, stays.
    """
    freed_usd = spending.committed_usd - store.answers_usd
    if freed_usd <= 0:
        logger.info("Nothing is reserved that could be released")
        return spending
    released = replace(spending, committed_usd=store.answers_usd)
    write_spending(store.path, released)
    logger.info("Released %.4f USD: they do not count under --max-cost any more", freed_usd)
    return released


def dearest_call_usd(plan: CollectionPlan, models: RunModels) -> float:
    """Return the most that one call of the plan may cost, as far as prices are known."""
    problems = (problem.read() for problem in plan.problems)
    prompt = build_prompt(max(problems, key=lambda problem: len(problem.problem)))
    now = datetime.now(UTC)
    return max(worst_case_usd(model, prompt, now) or 0.0 for model in models)
