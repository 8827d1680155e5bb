"""report.html of a session with too many problems for a page: all totals, and a sample of them."""

import json
from pathlib import Path

from reports.problem_sample import problem_sample
from reports.report import write_report
from storage.sessions import open_session
from storage.solution_store import SolutionStore
from tests.support.report_page import ReportPage
from tests.support.sessions import write_judgements, write_session


def session_of(folder: Path) -> SolutionStore:
    """Return a session of 60 problems in 3 categories, answered by two models."""
    return write_session(folder, models=2, categories=3, per_category=20)


def page_of(store: SolutionStore, most: int, sampled: int = 10) -> ReportPage:
    return ReportPage(write_report(store, most_problems=most, sampled_problems=sampled))


def test_totals_are_the_whole_sessions_and_the_table_is_a_sample(tmp_path: Path) -> None:
    store = session_of(tmp_path)
    write_judgements(store)
    whole, sample = page_of(store, most=60), page_of(store, most=59)
    assert "sample" not in whole.notes
    assert "This page shows a sample: 10 of 60 problems" in sample.notes
    assert sample.overview["categories"] == whole.overview["categories"]
    assert sample.overview["total_problems"] == 60
    assert sample.overview["ranking"] == whole.overview["ranking"]
    for label in ("model-0", "model-1"):
        totals = (
            "answered",
            "valid",
            "failed",
            "undone",
            "cost_usd",
            "output_tokens",
            "categories",
        )
        for name in (*totals, "median_seconds", "p95_seconds", "seconds"):
            assert sample.model(label)[name] == whole.model(label)[name], name
    shown = sample.overview["problems"]["task_id"]
    assert len(shown) == 10
    for place, task_id in enumerate(shown):
        before = whole.place(task_id)
        assert sample.body(task_id) == whole.body(task_id)
        for label in ("model-0", "model-1"):
            assert sample.model(label)["verdicts"][place] == whole.model(label)["verdicts"][before]
            letters = sample.model(label)["tests"]["letters"]
            assert letters[place] == whole.model(label)["tests"]["letters"][before]


def test_what_ran_without_a_sandbox_is_said_wherever_it_is(tmp_path: Path) -> None:
    store = session_of(tmp_path)
    write_judgements(store)
    drawn = problem_sample(store, most=59, size=10)
    assert drawn is not None
    for path in (store.path / "evaluation").glob("*/*.jsonl"):
        lines = [json.loads(line) for line in path.read_bytes().splitlines()]
        for line in lines:
            line["isolation"] = line["isolation"] if line["task_id"] in drawn.task_ids else "none"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    whole, sample = page_of(store, most=60), page_of(store, most=59)
    assert sample.overview["evaluation"] == whole.overview["evaluation"]
    assert sample.overview["evaluation"]["is_unsafe"] is True


def test_the_same_problems_are_drawn_whatever_became_of_them(tmp_path: Path) -> None:
    store = session_of(tmp_path / "one")
    other = write_session(tmp_path / "two", models=1, categories=3, per_category=20, seed=7)
    drawn = problem_sample(store, most=59, size=10)
    again = problem_sample(open_session(tmp_path / "one" / "out", "session_1"), most=59, size=10)
    elsewhere = problem_sample(other, most=59, size=10)
    assert drawn is not None
    assert drawn == again == elsewhere
    assert problem_sample(store, most=60) is None


def test_a_line_that_cannot_be_read_at_a_glance_is_read_as_a_whole(tmp_path: Path) -> None:
    store = session_of(tmp_path)
    path = next(iter(store.get_category_files("model-0").values()))
    lines = path.read_bytes().splitlines(keepends=True)
    absurd = lines[0].replace(b'"execution_time":', b'"execution_time":1e300,"was":')
    path.write_bytes(absurd + b"".join(lines[1:]) + b'{"torn')
    page = page_of(open_session(tmp_path / "out", "session_1"), most=59)
    assert page.model("model-0")["answered"] == store.answered_counts()["model-0"]
    assert "sample" in page.notes
