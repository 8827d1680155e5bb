"""What a command prints when a run has ended: a table, the files, the next line to type."""

from pathlib import Path

from reports.latencies import latencies_of
from reports.outcomes import SessionOutcomes, read_outcomes
from reports.report import REPORT_PAGE_NAME
from runners.collection_runner import RunOutcome
from runners.progress.terminal_text import printable
from scripts._batches import held_for_open_batches, print_left_running
from scripts._pass_rates import RATE_HEADINGS, print_not_judged, rate_cells
from scripts._paste import line_to_paste
from scripts._root import ROOT
from scripts._terminal import print_table, print_wrapped
from storage.records.session_scan import FAILURES_NAME
from storage.records.tallies import Tally, total
from storage.session.spending_file import read_spending
from storage.solution_store import SolutionStore
from storage.views.summaries import by_model
from storage.views.verdicts import read_score_summary

_LEAST_SHOWN_USD = 0.00005  # with four digits after the point
_HEADINGS = (
    "model",
    "answered",
    "valid",
    "failed",
    "truncated",
    "refused",
    "median s",
    "p95 s",
    "tokens",
    "cost USD",
)


def print_report(
    store: SolutionStore, outcome: RunOutcome, output_dir: Path, *, is_evaluated: bool = False
) -> None:
    """Print how a run ended, where its results are, and what to type next.

    is_evaluated: answers were to be judged.
    """
    _print_table(store, is_evaluated)
    if is_evaluated:
        print_not_judged(store)
    print_unread(store)
    for label, reason in outcome.closed.items():
        print(printable(f"{label}: stopped early: {reason}"))
    if outcome.stopped_by:
        print(f"The run stopped: {outcome.stopped_by}")
    print_reserved(store, output_dir)
    print_left_running(store, resume_command(store.session_id, output_dir))
    print(f"\nResults: {store.path}")
    if (store.path / REPORT_PAGE_NAME).exists():
        print(f"  {REPORT_PAGE_NAME}: everything on one page, for a browser")
    print("  <model>/<category>.jsonl and .csv: the answers; summary.json: the rates")
    _print_without_csv(store)
    print("  cross_model_comparison.json: problems x models")
    if (store.path / FAILURES_NAME).exists():
        print(f"  {FAILURES_NAME}: what failed, with every attempt")
    print(_next_step(store, outcome, output_dir))


def _print_without_csv(store: SolutionStore) -> None:
    """Print which files of answers have no .csv, if any, and what to use instead."""
    without = sorted(
        f"{model}/{category}"
        for model, category in store.tallies
        if not store.has_csv(model, category)
    )
    if not without:
        return
    others = f" and {len(without) - 1} more" if len(without) > 1 else ""
    export = _command("export_session.py", store.session_id, store.path.parent)
    print(f"  no .csv of {printable(without[0])}{others}: too long for a spreadsheet; use Parquet:")
    print(f"    {export} --format parquet")


def _print_table(store: SolutionStore, is_evaluated: bool) -> None:
    outcomes = read_outcomes(store, wanted=())  # their times alone
    tallies = by_model(store.tallies)
    rows = [
        _row(model, total(tallies.get(model, {}).values()), outcomes) for model in outcomes.models
    ]
    if not is_evaluated:
        print_table(_HEADINGS, rows, groups=(5, 2, 2))
        return
    summary = read_score_summary(store.path)
    found = summary.models if summary else {}
    rows = [[row[0], *rate_cells(found.get(row[0])), *row[1:]] for row in rows]
    print_table([_HEADINGS[0], *RATE_HEADINGS, *_HEADINGS[1:]], rows, groups=(3, 5, 2, 2))


def print_unread(store: SolutionStore) -> None:
    """Print how many replies could not be read within their bounds, and what to do about it."""
    counts = {
        model: total(kinds.values()).unread for model, kinds in by_model(store.tallies).items()
    }
    if not any(counts.values()):
        return
    said = ", ".join(f"{count} of {model}" for model, count in counts.items() if count)
    print_wrapped(
        f"Replies that took too long to read, or too much memory, and are kept raw: {said}"
    )
    command = _command("reprocess_session.py", store.session_id, store.path.parent)
    print(f"  With more time: {command} --seconds-per-reply 60")


def print_reserved(store: SolutionStore, output_dir: Path) -> None:
    """Print what is reserved beside the answers' cost, if anything, and how it is released."""
    if reserved_usd := reserved_beside_answers(store):
        print(
            f"Reserved: at most {reserved_usd:.4f} USD, for calls that may have been billed "
            "without a known cost. If they were not:\n"
            f"  {resume_command(store.session_id, output_dir)} --release-reserved"
        )


def reserved_beside_answers(store: SolutionStore) -> float:
    """Return the most that was billed beside the answers, 0 where four digits do not show it.

    What is held for open batches is not in it: that is spoken of with them.
    """
    spending = read_spending(store.path)
    reserved_usd = spending.reserved_usd(store.answers_usd) if spending else 0.0
    reserved_usd -= held_for_open_batches(store)
    return reserved_usd if reserved_usd >= _LEAST_SHOWN_USD else 0.0


def resume_command(session_id: str, output_dir: Path) -> str:
    """Return the line that resumes a session."""
    return _command("resume_collection.py", session_id, output_dir)


def _command(script: str, session_id: str, output_dir: Path) -> str:
    elsewhere = () if output_dir == ROOT / "generated" else ("--output-dir", str(output_dir))
    return line_to_paste(script, session_id, *elsewhere)


def _row(model: str, tally: Tally, outcomes: SessionOutcomes) -> list[str]:
    latencies = latencies_of(outcomes, model)
    counts = (tally.answered, tally.valid, tally.failed, tally.truncated, tally.refused)
    return [
        model,
        *map(str, counts),
        _seconds(latencies.median),
        _seconds(latencies.p95),
        f"{tally.input_tokens + tally.output_tokens:,}",
        f"{tally.cost_usd:.4f}" + (" + unknown" if tally.unpriced else ""),
    ]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _next_step(store: SolutionStore, outcome: RunOutcome, output_dir: Path) -> str:
    if outcome.undone or outcome.failed:
        left = f"{outcome.undone} tasks undone, {outcome.failed} failed"
        raised = " --max-cost USD" if outcome.stopped_by else ""
        return f"\n{left}. To continue:\n  {resume_command(store.session_id, output_dir)}{raised}"
    export = _command("export_session.py", store.session_id, output_dir)
    return (
        f"\nNext: one table of it all (or parquet, jsonl, runcodeeval)\n  {export} --format csv\n"
        "or other models, with their keys in .env (cp .env.example .env)\n"
        f"  {line_to_paste('run_collection.py', '--list-models')}"
    )
