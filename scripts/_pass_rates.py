"""Pass rates as runs print them, from what the last evaluation wrote."""

from pathlib import Path

from reports.pass_counts import unjudged_answers
from scripts._paste import line_to_paste
from scripts._root import ROOT
from scripts._terminal import print_table, print_wrapped
from storage.solution_store import SolutionStore
from storage.views.verdicts import ModelSummary, read_score_summary

RATE_HEADINGS = ("passed", "pass@1", "95 % interval")
_MOST_NAMED = 3


def rate_cells(found: ModelSummary | None) -> list[str]:
    """Return a row's cells under RATE_HEADINGS."""
    if found is None or found.pass_at_1 is None:
        return ["-", "-", "-"]
    low, high = found.pass_at_1.interval
    return [
        f"{found.passed} of {found.judged}",
        f"{100 * found.pass_at_1.rate:.1f} %",
        f"{100 * low:.0f} to {100 * high:.0f} %",
    ]


def print_pass_rates(store: SolutionStore) -> None:
    """Print a row a model with its pass rate, and what is not judged."""
    summary = read_score_summary(store.path)
    if summary is not None:
        rows = [[model, *rate_cells(found)] for model, found in summary.models.items()]
        print_table(["model", *RATE_HEADINGS], rows, groups=(3,))
    print_not_judged(store)


def print_not_judged(store: SolutionStore) -> None:
    """Print which answers an evaluation left without a verdict, and why, if any."""
    summary = read_score_summary(store.path)
    bad = summary.bad_problems if summary else {}
    if bad:
        named = ", ".join(list(bad)[:_MOST_NAMED])
        more = f" and {len(bad) - _MOST_NAMED} more" if len(bad) > _MOST_NAMED else ""
        print_wrapped(
            f"Problems excluded for every model, because their tests are unfit: {named}{more}"
        )
    if unjudged := unjudged_answers(store):
        command = evaluate_command(store.session_id, store.path.parent)
        print(f"{unjudged} answers are not judged yet. To judge them:\n  {command}")


def evaluate_command(session_id: str, output_dir: Path) -> str:
    """Return the line that judges a session's answers."""
    elsewhere = () if output_dir == ROOT / "generated" else ("--output-dir", str(output_dir))
    return line_to_paste("evaluate_session.py", session_id, *elsewhere)
