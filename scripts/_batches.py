"""What the commands say about a session's open batches."""

import sys
import time
from collections import defaultdict

from config.batch_limits import BATCH_LIMITS
from config.errors import ConfigError
from runners.collection_runner import RunOutcome
from runners.lanes.open_batches import moment
from scripts._terminal import agrees, print_wrapped
from storage.records.batch_ledger import BatchLedger, LedgerBatch
from storage.session.progress_file import Progress, read_progress
from storage.session.spending_file import read_spending
from storage.solution_store import SolutionStore


def print_open_batches(store: SolutionStore) -> bool:
    """Print a line a model about its open batches, as the ledger has them; return if there are."""
    by_model = defaultdict[str, list[LedgerBatch]](list)
    for batch in BatchLedger(store.path).unsettled():
        if batch.may_be_billed:
            by_model[batch.model].append(batch)
    progress = read_progress(store.path)
    for model, batches in by_model.items():
        print_wrapped(f"{model}: {_words(batches, progress)}")
    return bool(by_model)


def held_for_open_batches(store: SolutionStore) -> float:
    """Return how much of a session's money is reserved for batches that are open, in US dollars."""
    spending = read_spending(store.path)
    open_now = {batch.token for batch in BatchLedger(store.path).unsettled()}
    held = spending.held_usd.items() if spending else ()
    return sum(worst_usd for token, worst_usd in held if token in open_now)


def print_left_running(store: SolutionStore, command: str) -> None:
    """Print what goes on without us, and how to come back to it."""
    if not print_open_batches(store):
        return
    print("They run on at the providers, and are billed whether their answers are fetched or not.")
    print(f"To fetch them, now or later:\n  {command}")
    print(f"To cancel them instead:\n  {command} --cancel-batches")


def all_in_batches(store: SolutionStore, outcome: RunOutcome) -> bool:
    """Return whether every task that is undone is asked in a batch that was created."""
    open_batches = [b for b in BatchLedger(store.path).unsettled() if b.step in ("open", "ended")]
    sent = {(batch.model, key) for batch in open_batches for key in batch.keys}
    waiting = sum(not store.is_answered(model, key) for model, key in sent)
    return not outcome.failed and not outcome.closed and waiting >= outcome.undone


def may_cancel(ledger: BatchLedger, *, ask: bool) -> bool:
    """Return whether there are batches to cancel, and the user wants that."""
    batches = [batch for batch in ledger.unsettled() if batch.may_be_billed]
    if not batches:
        print("No batch is open: there is nothing to cancel")
        return False
    rows = sum(batch.rows for batch in batches)
    worst_usd = sum(batch.planned.worst_usd for batch in batches)
    for batch in batches:
        print_wrapped(f"{batch.model}: {_words([batch])}")
    print_wrapped(
        f"To cancel: {len(batches)} batches of {rows} requests, which may cost {worst_usd:.4f} USD "
        "at worst. What they have finished is billed, and kept."
    )
    if not ask:
        return True
    if not sys.stdin.isatty():
        raise ConfigError("--cancel-batches asks first, and nobody is here to answer: add --yes")
    return agrees("Cancel them? [y/N] ")


def _words(batches: list[LedgerBatch], progress: Progress | None = None) -> str:
    now = time.time()
    worst_usd = sum(batch.planned.worst_usd for batch in batches)
    count = "1 batch" if len(batches) == 1 else f"{len(batches)} batches"
    parts = [f"{count} open, {_rows(batches, progress, now)}", f"at most {worst_usd:.4f} USD"]
    known = [batch for batch in batches if batch.batch_id is not None]
    if known:
        oldest = min(known, key=lambda batch: batch.created_at)
        parts.append(f"the oldest created {moment(oldest.created_at, now)}")
        parts.append(f"ending by {moment(max(map(_ends_at, known)), now)}")
        parts.append(f"results kept until {moment(min(map(_kept_until, known)), now)} at least")
    if len(known) < len(batches):
        parts.append(f"{len(batches) - len(known)} of unknown outcome: a resume looks for them")
    return ", ".join(parts)


def _rows(batches: list[LedgerBatch], progress: Progress | None, now: float) -> str:
    """Return how many requests there are, and how many were done when a run last looked."""
    rows = sum(batch.rows for batch in batches)
    seen = progress.batch_rows_done if progress else {}
    done = [min(seen[batch.token], batch.rows) for batch in batches if batch.token in seen]
    if not progress or not done:
        return f"{rows:,} requests"
    return f"{rows:,} requests ({sum(done):,} done at {moment(progress.last_saved, now)})"


def _ends_at(batch: LedgerBatch) -> float:
    limits = BATCH_LIMITS.get(batch.planned.provider)
    return batch.created_at + (limits.window_seconds if limits else 0.0)


def _kept_until(batch: LedgerBatch) -> float:
    """Return until when results can be fetched; counted from the creation, the end being later."""
    limits = BATCH_LIMITS.get(batch.planned.provider)
    return batch.created_at + (limits.keep_seconds if limits else 0.0)
