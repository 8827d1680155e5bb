"""report.html: a session as one page that opens from disk, asks no network and runs no reply."""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from config.clock import Clock, SystemClock
from config.errors import CollectionError
from config.prompt_text import prompt_of
from processors.workers.engine import local_engine
from prompts.problems import Problem
from reports.outcomes import SessionOutcomes, read_outcomes
from reports.page.judged import Judgements, read_judgements
from reports.page.report_bodies import Reference, packed_bodies
from reports.page.report_overview import make_overview
from reports.page.report_page import REPORT
from reports.page.shell import data_block, data_pieces
from reports.problem_sample import MOST_PROBLEMS, SAMPLED_PROBLEMS, problem_sample
from reports.references import references_of
from storage.files.durability import replace_file
from storage.records.tallies import total
from storage.solution_store import SolutionStore

logger = logging.getLogger("collector")

REPORT_PAGE_NAME = "report.html"
_MANY_ANSWERS = 200_000  # below, other processes gain nothing: most of the time goes into texts
MOST_BODY_BYTES = 40_000_000  # a browser opens this much from disk in about a second


def write_report(
    store: SolutionStore,
    *,
    most_body_bytes: int = MOST_BODY_BYTES,
    most_problems: int = MOST_PROBLEMS,
    sampled_problems: int = SAMPLED_PROBLEMS,
    clock: Clock | None = None,
    target: Path | None = None,
    workers: int = 1,
) -> Path:
    """Write the session's report.html, or the same as another file, and return its path.

    most_body_bytes: of packed prompts, replies and code; problems beyond it are listed without.
    most_problems: above so many the page shows a sample of sampled_problems.
    workers: processes that look through the answers of a large session.
    Raises StoreError where a record cannot be read or the page cannot be written.
    """
    sample = problem_sample(store, most_problems, sampled_problems)
    wanted = sample.task_ids if sample else None
    is_small = total(store.tallies.values()).answered < _MANY_ANSWERS
    with local_engine(workers, is_small=is_small) as engine:
        outcomes = read_outcomes(store, wanted, engine=engine)
    judgements = read_judgements(store, outcomes, wanted)
    references, notes = _references(store, outcomes)
    if sample:
        notes = [sample.sentence, *notes]
    written = (clock or SystemClock()).time()
    target = target or store.path / REPORT_PAGE_NAME
    prompt = prompt_of(store.metadata.session_parameters) if store.metadata else None
    bodies = packed_bodies(outcomes.problems, references, judgements, prompt, most_body_bytes)
    attempted = sample.total if sample else len(outcomes.problems)
    notes += _unreached(store, attempted)
    chunks = _chunks(store, outcomes, judgements, bodies, notes, written)
    replace_file(target, (chunk.encode("utf-8") for chunk in chunks), durable=False)
    return target


def write_report_or_warn(store: SolutionStore) -> Path | None:
    """Write report.html as a run ends: what goes wrong is logged, and None returned."""
    try:
        return write_report(store)
    except (CollectionError, OSError) as error:
        logger.warning("report.html was not written (scripts/report.py tries again): %s", error)
        return None


def _references(
    store: SolutionStore, outcomes: SessionOutcomes
) -> tuple[dict[str, Reference], list[str]]:
    """Return what the dataset knows of the page's problems, and what is amiss."""
    is_answered = {
        problem.task_id: any(outcome.verdict != "failed" for outcome in problem.outcomes)
        for problem in outcomes.problems
    }

    def keep(problem: Problem) -> Reference | None:
        if problem.task_id not in is_answered:
            return None
        text = "" if is_answered[problem.task_id] else problem.problem
        return Reference(text, problem.canonical_solution)

    return references_of(store, keep)


def _unreached(store: SolutionStore, attempted: int) -> list[str]:
    planned = store.metadata.total_problems if store.metadata else 0
    if planned <= attempted:
        return []
    return [f"{planned - attempted} of {planned} problems were not asked yet: they are not listed."]


def _chunks(
    store: SolutionStore,
    outcomes: SessionOutcomes,
    judgements: Judgements,
    bodies: Iterable[tuple[int, str]],
    notes: list[str],
    written: float,
) -> Iterator[str]:
    yield REPORT.start(f"{store.session_id} - collected solutions")
    included = 0
    for place, packed in bodies:
        included += 1
        yield data_block(f"body-{place}", packed)
    left_out = len(outcomes.problems) - included
    if left_out:
        notes = [
            *notes,
            f"The texts of {left_out} of {len(outcomes.problems)} problems are not in this page, "
            "which would be too large: read them in the .jsonl files, or write it again with a "
            "higher --max-megabytes.",
        ]
    overview = make_overview(store, outcomes, judgements, notes, written)
    yield from data_pieces("overview", msgspec.json.encode(overview).decode("utf-8"))
    yield REPORT.end()
