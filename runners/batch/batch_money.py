"""What batches hold back of a session's money, taken up by the next run."""

from collections.abc import Collection

from storage.records.batch_ledger import BatchLedger
from storage.records.batch_steps import Dropped
from storage.records.record_json import solutions_in_files
from storage.session.spending_file import Spending, write_spending
from storage.solution_store import SolutionStore


def take_up_batch_money(store: SolutionStore, ledger: BatchLedger, spending: Spending) -> Spending:
    """Return the spending with just what batches may still cost held, once it is on the disk.

    A kill may have come between the two files: the ledger decides. What was held before its batch
    was planned is free, what was landed counts as it was landed.
    """
    held, committed_usd = dict(spending.held_usd), spending.committed_usd
    for token in spending.held_usd:
        batch = ledger.get(token)
        if batch is None or batch.step in ("landed", "dropped"):
            del held[token]
            committed_usd += batch.landed.cost_usd if batch and batch.landed else 0.0
    for batch in ledger:
        if batch.is_unsettled or batch.step == "lost":
            held.setdefault(batch.token, batch.planned.worst_usd)
    taken_up = Spending(committed_usd=committed_usd, held_usd=held)
    if taken_up != spending:
        write_spending(store.path, taken_up)
    return taken_up


def release_lost(ledger: BatchLedger, at: float) -> None:
    """Look no more for batches that never showed up: the user says that they were not billed."""
    for batch in ledger:
        if batch.step == "lost":
            ledger.append(Dropped(token=batch.token, at=at, why="released: it was not billed"))


def answers_usd_of(store: SolutionStore, tokens: Collection[str]) -> float:
    """Return what answers cost that are on the disk from batches that are not settled yet."""
    if not tokens:
        return 0.0
    store.sync()
    groups = {paths for files in store.category_files().values() for paths in files.values()}
    return sum(
        record.cost_usd or 0.0
        for paths in groups
        for _, _, record in solutions_in_files(paths)
        if record.batch and record.batch.custom_id.partition("-")[0] in tokens
    )
