"""report.html as a file: what it holds, what it leaves out, and that nothing in it can run."""

import json
import logging
import tracemalloc
from collections import Counter
from pathlib import Path
from random import Random
from string import ascii_letters

import msgspec
import pytest

from prompts.problems import load_problems
from reports.report import write_report, write_report_or_warn
from storage.sessions import open_session
from storage.solution_store import SolutionStore
from tests.support.command import run
from tests.support.report_page import ReportPage, source_of
from tests.support.sessions import FAILING, write_judgements, write_session
from tests.support.store_records import START, failure, metadata, solution, validation

HOSTILE = "</script><script>document.title='run'</script><!--<script>\u2028<img src=x onerror=a()>"


def one_answer(tmp_path: Path, **changes: object) -> SolutionStore:
    store = SolutionStore(tmp_path, "session_1")
    store.append(solution(**changes))  # type: ignore[arg-type]
    return store


def page_of(store: SolutionStore) -> ReportPage:
    return ReportPage(write_report(store))


def test_only_the_pages_own_scripts_are_allowed_and_nothing_is_loaded(tmp_path: Path) -> None:
    page = page_of(one_answer(tmp_path))
    assert "unsafe" not in page.policy
    assert page.policy.startswith("default-src 'none'; ")
    allowed = [part for part in page.policy.split("; ") if part.startswith("script-src ")]
    assert allowed == ["script-src " + " ".join(source_of(script) for script in page.scripts)]
    loading = {"src", "href", "srcset", "action", "data", "poster"}
    loaded = [(tag, value) for tag, name, value in page.attributes if name in loading]
    assert loaded == [("a", "#problems")]
    assert [name for _, name, _ in page.attributes if name.startswith("on")] == []


def test_texts_of_a_reply_cannot_end_their_element(tmp_path: Path) -> None:
    plain = page_of(one_answer(tmp_path / "plain"))
    store = one_answer(
        tmp_path / "hostile",
        task_id=HOSTILE,
        model=HOSTILE,
        category=HOSTILE,
        problem=HOSTILE,
        raw_response=HOSTILE,
        code=HOSTILE,
        verdict={**validation(), "syntax": {"is_valid": False, "error": HOSTILE}},
    )
    page = page_of(store)
    assert page.scripts == plain.scripts
    assert page.overview["problems"]["title"] == [HOSTILE]
    assert page.overview["categories"] == [HOSTILE]
    body = page.body(HOSTILE)
    assert body is not None
    assert body["problem"] == HOSTILE
    assert body["answers"][0]["record"]["raw_response"] == HOSTILE


def test_a_hostile_session_id_is_only_a_title(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, HOSTILE)
    store.append(solution())
    assert page_of(store).title.startswith(HOSTILE)


def test_figures_are_those_of_the_summary(tmp_path: Path) -> None:
    store = write_session(tmp_path, models=3, categories=4, per_category=5)
    page = page_of(store)
    summary = json.loads((store.path / "summary.json").read_text())["model_summaries"]
    assert [model["label"] for model in page.overview["models"]] == list(summary)
    for label, expected in summary.items():
        model = page.model(label)
        overview, usage = expected["overview"], expected["usage"]
        assert model["answered"] == overview["total_solutions"]
        assert model["failed"] == overview["failed_calls"]
        assert (model["truncated"], model["refused"]) == (
            overview["truncated"],
            overview["refused"],
        )
        assert model["output_tokens"] == usage["output_tokens"]
        assert model["cost_usd"] == pytest.approx(usage["cost_usd"], abs=1e-6)
        assert model["undone"] == 0
        letters = Counter(model["verdicts"])
        assert letters["v"] == model["valid"]
        assert letters["f"] == model["failed"]
        assert [sum(column) for column in zip(*model["categories"], strict=True)] == [
            model["valid"],
            20,
        ]
        assert sum(model["answers_over_time"]) == model["answered"]
        assert len(model["seconds"]) == 41
        assert model["seconds"] == sorted(model["seconds"])


def test_every_problem_opens_with_its_texts(tmp_path: Path) -> None:
    store = write_session(tmp_path, models=2, categories=2, per_category=3)
    page = page_of(store)
    problems = load_problems(tmp_path / "dataset")
    assert page.notes == ""
    for problem in problems:
        body = page.body(problem.task_id)
        assert body is not None
        assert body["problem"] == problem.problem
        assert problem.problem in body["prompt"]["user"]
        assert body["prompt"]["exact"] is True
        assert body["reference"] == problem.canonical_solution
        for answer in body["answers"]:
            kept = store.load_solutions_from_jsonl(answer["model"], problem.category)
            record = next(one for one in kept if one["task_id"] == problem.task_id)
            assert answer["record"]["raw_response"] == record["raw_response"]
            assert answer["record"]["extracted_solution"] == record["extracted_solution"]
            assert answer["file"] == f"{answer['model']}/{problem.category}.jsonl"


def test_another_prompt_version_is_not_called_exact(tmp_path: Path) -> None:
    body = page_of(one_answer(tmp_path)).body("dataclass_1")
    assert body is not None
    assert body["prompt"]["exact"] is False


def test_changed_problems_get_no_reference_solution(tmp_path: Path) -> None:
    store = write_session(tmp_path, models=1, categories=1, per_category=2)
    file = tmp_path / "dataset" / "category_00.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0].replace("Write", "Now write"), lines[1]]))
    page = page_of(store)
    changed, same = page.body("category_00_1"), page.body("category_00_2")
    assert changed is not None
    assert changed["reference"] is None
    assert same is not None
    assert same["reference"]
    assert page.notes.startswith("1 of 2 problems changed at ")


def test_a_dataset_that_is_gone_is_said(tmp_path: Path) -> None:
    store = write_session(tmp_path, models=1, categories=1, per_category=1)
    (tmp_path / "dataset" / "category_00.jsonl").unlink()
    page = page_of(store)
    assert "cannot be read" in page.notes
    assert str(tmp_path / "dataset") in page.notes


def test_texts_that_do_not_fit_are_left_out_solved_problems_first(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "session_1")
    for number in range(6):
        valid = number < 3
        store.append(solution(f"dataclass_{number}", verdict=validation(valid=valid)))
    whole = page_of(store)
    sizes = [len(text) for name, text in whole.data.items() if name.startswith("body-")]
    page = ReportPage(write_report(store, most_body_bytes=sum(sizes) // 2 + 10))
    assert [bool(page.body(f"dataclass_{n}")) for n in range(6)] == [False] * 3 + [True] * 3
    assert "texts of 3 of 6 problems are not in this page" in page.notes
    assert page.model("gpt-4")["verdicts"] == "vvvnnn"


def test_where_answers_are_judged_solved_means_passed(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "session_1")
    for number in range(6):
        store.append(solution(f"dataclass_{number}"))  # all valid
    write_judgements(store, unsolved=["dataclass_1", "dataclass_4"])
    whole = ReportPage(write_report(store))
    size = max(len(text) for name, text in whole.data.items() if name.startswith("body-"))
    page = ReportPage(write_report(store, most_body_bytes=2 * size))
    kept = [n for n in range(6) if page.body(f"dataclass_{n}")]
    assert kept == [1, 4]


def test_an_over_long_reply_is_cut_and_the_cut_is_said(tmp_path: Path) -> None:
    body = page_of(one_answer(tmp_path, raw_response="word " * 100_000)).body("dataclass_1")
    assert body is not None
    reply = body["answers"][0]["record"]["raw_response"]
    assert len(reply) < 201_000
    assert reply.endswith("[... 300000 more characters in the .jsonl file]")


def test_failures_show_every_attempt_unless_an_answer_followed(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "session_1")
    store.append_failure(failure("dataclass_1"))
    store.append_failure(failure("dataclass_2"))
    store.append(solution("dataclass_2"))
    page = page_of(store)
    assert page.model("gpt-4")["verdicts"] == "fv"
    body = page.body("dataclass_1")
    assert body is not None
    assert body["answers"][0]["record"]["attempts"][0]["status"] == 503
    assert {kind: sum(counts) for kind, counts in page.overview["errors"].items()} == {
        "Busy (503)": 2
    }


def test_kinds_of_errors_and_retries_stand_over_time(tmp_path: Path) -> None:
    store = write_session(tmp_path, models=4, categories=10, per_category=10)
    page = page_of(store)
    failed = sum(model["failed"] for model in page.overview["models"])
    retries = sum(model["retries"] for model in page.overview["models"])
    assert failed > 0
    assert retries > 0
    errors = {kind: sum(counts) for kind, counts in page.overview["errors"].items()}
    before_an_answer = retries - 2 * failed
    assert before_an_answer > 0
    assert errors == {
        f"{FAILING} (503)": 3 * failed,
        "before an answer (kind not kept)": before_an_answer,
    }
    stretches = {len(counts) for counts in page.overview["errors"].values()}
    assert stretches == {len(page.overview["starts"])}


def test_a_pause_of_days_takes_no_room(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "session_1")
    for number, moment in enumerate((START, START + 30, START + 500_000, START + 500_002)):
        store.append(msgspec.structs.replace(solution(f"dataclass_{number}"), timestamp=moment))
    overview = page_of(store).overview
    assert overview["starts"].count(None) == 1
    assert len(overview["starts"]) < 100
    counts = overview["models"][0]["answers_over_time"]
    assert sum(counts) == 4
    assert counts[overview["starts"].index(None)] == 0


def test_a_session_without_answers_has_a_page(tmp_path: Path) -> None:
    page = page_of(SolutionStore(tmp_path, "session_1"))
    assert page.overview["models"] == []
    assert page.overview["starts"] == []


def test_an_unfinished_session_counts_what_is_undone(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "session_1")
    store.replace_metadata(metadata(total_problems=5))
    store.append(solution())
    page = page_of(store)
    assert page.model("gpt-4")["undone"] == 4
    assert page.model("claude-3-sonnet")["undone"] == 5
    assert page.model("claude-3-sonnet")["verdicts"] == "-"


def test_records_that_were_reprocessed_are_not_counted_twice(tmp_path: Path) -> None:
    store = write_session(tmp_path, models=1, categories=1, per_category=3)
    own = next(iter(store.get_category_files("model-0").values()))
    again = store.path / "reprocessed" / "2" / "model-0" / own.name
    again.parent.mkdir(parents=True)
    again.write_bytes(own.read_bytes())
    before = page_of(store).overview["models"]
    opened = open_session(tmp_path / "out", "session_1")
    assert page_of(opened).overview["models"] == before


def test_a_dataset_path_that_is_no_utf8_does_not_break_the_page(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "session_1")
    asked = msgspec.structs.replace(metadata(), session_parameters={"dataset_path": "/x/\udcff"})
    store.metadata = asked  # as a run has it in memory: on disk it is spelled out
    store.append(solution())
    page = page_of(store)
    assert page.overview["parameters"] == {"dataset_path": "/x/\\udcff"}
    assert "/x/\\udcff" in page.notes


def test_damaged_lines_are_passed_over(tmp_path: Path) -> None:
    store = write_session(tmp_path, models=1, categories=1, per_category=3)
    answered = page_of(store).model("model-0")["answered"]
    with next(iter(store.get_category_files("model-0").values())).open("ab") as file:
        file.write(b'not json\n{"task_id": "torn')
    opened = open_session(tmp_path / "out", "session_1")
    assert page_of(opened).model("model-0")["answered"] == answered


def test_without_data_the_page_is_far_below_three_megabytes(tmp_path: Path) -> None:
    assert write_report(SolutionStore(tmp_path, "session_1")).stat().st_size < 400_000


@pytest.mark.slow
def test_bodies_are_not_held_in_memory(tmp_path: Path) -> None:
    store = SolutionStore(tmp_path, "session_1")
    for number in range(100):
        text = "".join(Random(number).choices(ascii_letters, k=100_000))
        store.append(solution(f"dataclass_{number}", raw_response=text))
    write_report(store)  # what is imported and cached once is not what is measured
    tracemalloc.start()
    try:
        write_report(store)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


def test_a_page_that_cannot_be_written_never_fails_a_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = one_answer(tmp_path)
    assert write_report_or_warn(store) == store.path / "report.html"
    (store.path / "report.html").unlink()
    (store.path / "report.html" / "in the way").mkdir(parents=True)
    with caplog.at_level(logging.WARNING, logger="collector"):
        logging.getLogger("collector").propagate = True
        assert write_report_or_warn(store) is None
    assert "report.html was not written" in caplog.text


async def test_the_command_writes_the_page_and_says_where(tmp_path: Path) -> None:
    store = write_session(tmp_path, models=1, categories=1, per_category=4)
    folder = ("--output-dir", str(tmp_path / "out"))
    done = await run("report.py", "session_1", *folder)
    assert done.exit_code == 0, done.output
    assert str(store.path / "report.html") in done.stdout
    assert ReportPage(store.path / "report.html").notes == ""
    by_path = await run("report.py", str(store.path))
    assert by_path.exit_code == 0, by_path.output
    unknown = await run("report.py", "session_2", *folder)
    assert unknown.exit_code == 2
    assert "session_1" in unknown.stderr


@pytest.mark.slow
async def test_the_commands_limit_is_respected(tmp_path: Path) -> None:
    store = write_session(tmp_path, models=1, categories=1, per_category=2)
    for number in range(12):
        text = "".join(Random(number).choices(ascii_letters, k=190_000))
        store.append(solution(f"long_{number}", "model-0", "category_00", raw_response=text))
    done = await run("report.py", str(store.path), "--max-megabytes", "1")
    assert done.exit_code == 0, done.output
    bodies = [n for n in ReportPage(store.path / "report.html").data if n.startswith("body-")]
    everything = await run("report.py", str(store.path))
    assert everything.exit_code == 0, everything.output
    whole = [n for n in ReportPage(store.path / "report.html").data if n.startswith("body-")]
    assert len(bodies) < len(whole) == 14


def test_without_an_evaluation_the_page_says_how_to_make_one(tmp_path: Path) -> None:
    store = write_session(tmp_path, models=1, categories=1, per_category=2)
    page = ReportPage(write_report(store))
    line = page.overview["evaluation"]
    assert "Not evaluated" in line["text"] and not line["is_unsafe"]
    assert line["command"] == f"python scripts/evaluate_session.py {store.path}"
    assert page.model("model-0")["tests"] is None


@pytest.mark.parametrize(("isolation", "is_unsafe"), [("landlock", False), ("none", True)])
def test_an_evaluation_stands_on_the_page(tmp_path: Path, isolation: str, is_unsafe: bool) -> None:
    store = write_session(tmp_path, models=2, categories=2, per_category=10)
    write_judgements(store, isolation)
    page = ReportPage(write_report(store))
    line = page.overview["evaluation"]
    assert f"isolation: {isolation}" in line["text"] and line["command"] == ""
    assert line["is_unsafe"] is is_unsafe is ("UNSAFE" in line["text"])
    for label in ("model-0", "model-1"):
        model = page.model(label)
        letters = {"v": "p", "f": "-"}
        assert model["tests"]["passed"] == model["valid"]
        assert model["tests"]["judged"] == model["answered"]
        assert model["tests"]["letters"] == "".join(
            letters.get(verdict, "w") for verdict in model["verdicts"]
        )
    body = page.body(page.overview["problems"]["task_id"][0])
    assert body and body["answers"][0]["judged"]["isolation"] == isolation
