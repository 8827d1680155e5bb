"""What a command prints when a run has ended: a table, the files, the next line to type."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from runners.collection_runner import RunOutcome
from scripts._root import ROOT
from storage.solution_store import SolutionStore
from storage.summaries import by_model
from storage.tallies import Tally, total

_HEADINGS = ("model", "answered", "valid", "failed", "truncated", "refused", "avg s", "cost USD")


def print_report(store: SolutionStore, outcome: RunOutcome, output_dir: Path) -> None:
    """Print how a run ended, where its results are, and what to type next."""
    tallies = by_model(store.tallies)
    print_table(_HEADINGS, [_row(model, total(kinds.values())) for model, kinds in tallies.items()])
    for label, reason in outcome.closed.items():
        print(f"{label}: stopped early: {reason}")
    print(f"\nResults: {store.path}")
    print("  <model>/<category>.jsonl and .csv hold the answers, summary.json the rates,")
    print("  cross_model_comparison.json the models side by side, failures.jsonl what failed")
    left = outcome.undone + outcome.failed
    if left:
        print(f"\n{outcome.undone} tasks undone, {outcome.failed} failed. To go on with them:")
        print(f"  {resume_command(store.session_id, output_dir)}")
    else:
        print("\nNext: put API keys into .env (cp .env.example .env) and choose models from")
        print("  python scripts/run_collection.py --list-models")


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under headings: the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [headings, *rows]) for i in range(len(headings))]
    for row in [headings, *rows]:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        print("  ".join([row[0].ljust(widths[0]), *cells[1:]]))


def resume_command(session_id: str, output_dir: Path) -> str:
    """Return the line that resumes a session, from the project's folder."""
    command = f"python scripts/resume_collection.py {shlex.quote(session_id)}"
    if output_dir != ROOT / "generated":
        command += f" --output-dir {shlex.quote(str(output_dir))}"
    return command


def _row(model: str, tally: Tally) -> list[str]:
    counts = (tally.answered, tally.valid, tally.failed, tally.truncated, tally.refused)
    cost = "unknown" if tally.unpriced else f"{tally.cost_usd:.4f}"
    return [model, *map(str, counts), f"{tally.average_seconds:.1f}", cost]
