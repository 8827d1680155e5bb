"""Models in ranks: who shares one, who is on the front, and whose figures the page has."""

import json
from pathlib import Path

import pytest

from reports.ranking import Entry, RankedRow, Rate, ranked_rows
from reports.report import write_report
from storage.views.verdicts import PairSummary
from tests.support.report_page import ReportPage
from tests.support.sessions import write_judgements, write_session


def entry(name: str, rate: float | None, cost: float | None = None) -> Entry:
    rates = [] if rate is None else [Rate(1, rate, max(0.0, rate - 0.1), min(1.0, rate + 0.1))]
    return Entry(key=name, label=name, rates=rates, cost_per_problem=cost)


def pair(first: str, second: str, difference: float, p_value: float) -> PairSummary:
    return PairSummary(first, second, difference, p_value)


def ranks(rows: list[RankedRow]) -> list[tuple[str, int | None]]:
    return [(row.key, row.rank) for row in rows]


def test_models_that_no_test_tells_apart_share_a_rank() -> None:
    entries = [entry("c", 0.5), entry("b", 0.88), entry("a", 0.9), entry("d", 0.48)]
    found = ranked_rows(
        entries,
        [
            pair("a", "b", 0.02, 0.7),
            pair("c", "a", -0.4, 0.001),  # a negative difference: the second is better
            pair("b", "c", 0.38, 0.002),
            pair("a", "d", 0.42, 0.001),
            pair("b", "d", 0.4, 0.049),
            pair("c", "d", 0.02, 0.05),
        ],
    )
    assert ranks(found) == [("a", 1), ("b", 1), ("c", 3), ("d", 3)]
    assert [row.level_with for row in found] == [["b"], ["a"], ["d"], ["c"]]


def test_who_is_level_with_both_the_best_and_the_beaten_has_the_better_rank() -> None:
    entries = [entry("best", 0.9), entry("between", 0.8), entry("beaten", 0.7)]
    found = ranked_rows(entries, [pair("best", "beaten", 0.2, 0.01)])
    assert ranks(found) == [("best", 1), ("between", 1), ("beaten", 2)]
    assert found[1].level_with == ["best", "beaten"]


def test_what_was_not_judged_has_no_rank_and_comes_last() -> None:
    found = ranked_rows([entry("unjudged", None, 0.1), entry("wrong", 0.0, 0.1)], [])
    assert ranks(found) == [("wrong", 1), ("unjudged", None)]
    assert [row.cost_per_solved for row in found] == [None, None]
    assert [row.is_on_front for row in found] == [True, False]


def test_pairs_of_models_that_are_not_in_the_table_change_nothing() -> None:
    assert ranks(ranked_rows([entry("a", 0.5)], [pair("gone", "a", 0.5, 0.001)])) == [("a", 1)]


def test_the_front_holds_those_that_nobody_beats_at_both() -> None:
    entries = [
        entry("cheap", 0.4, 0.001),
        entry("as cheap but worse", 0.3, 0.001),
        entry("dear and worse", 0.4, 0.002),
        entry("twin", 0.8, 0.01),
        entry("other twin", 0.8, 0.01),
        entry("unpriced", 0.99),
    ]
    on_front = {row.key for row in ranked_rows(entries, []) if row.is_on_front}
    assert on_front == {"cheap", "twin", "other twin"}


def test_a_solved_problem_costs_what_its_failed_answers_cost_too() -> None:
    (row,) = ranked_rows([entry("a", 0.25, 0.01)], [])
    assert row.cost_per_solved == pytest.approx(0.04)


def test_the_page_ranks_by_what_the_evaluation_wrote(tmp_path: Path) -> None:
    store = write_session(tmp_path, models=3, categories=2, per_category=10, samples=5)
    write_judgements(store)
    page = ReportPage(write_report(store))
    written = json.loads((store.path / "evaluation" / "summary.json").read_text())
    summary = json.loads((store.path / "summary.json").read_text())["model_summaries"]
    ranking = page.overview["ranking"]
    assert len(ranking) == 3
    for row in ranking:
        scores, overview = written["models"][row["key"]], summary[row["key"]]["overview"]
        assert (row["passed"], row["judged"]) == (scores["passed"], scores["judged"])
        for rate in row["rates"]:
            expected = scores[f"pass_at_{rate['k']}"]
            assert (rate["rate"], [rate["low"], rate["high"]]) == (
                expected["rate"],
                expected["interval"],
            )
        assert {rate["k"] for rate in row["rates"]} >= {1}
        paid = summary[row["key"]]["usage"]["cost_usd"]
        per_problem = paid / overview["total_solutions"]
        assert row["cost_per_problem"] == pytest.approx(per_problem, rel=1e-4)
        beaten_by = [
            found
            for found in written["pairs"]
            if found["p_value_holm"] < 0.05
            and row["key"] == (found["second"] if found["difference"] > 0 else found["first"])
        ]
        assert row["rank"] == 1 + len(beaten_by)


def test_few_samples_have_a_pass_rate_of_all_of_them(tmp_path: Path) -> None:
    store = write_session(tmp_path, models=1, categories=1, per_category=10, samples=3)
    write_judgements(store)
    rates = ReportPage(write_report(store)).overview["ranking"][0]["rates"]
    assert [rate["k"] for rate in rates] == [1, 3]
    assert rates[0]["rate"] < rates[1]["rate"]


def test_before_an_evaluation_has_ended_nobody_has_a_rank(tmp_path: Path) -> None:
    store = write_session(tmp_path, models=2, categories=1, per_category=3)
    assert ReportPage(write_report(store)).overview["ranking"] == []
    write_judgements(store)
    (store.path / "evaluation" / "summary.json").unlink()
    page = ReportPage(write_report(store))
    assert [row["rank"] for row in page.overview["ranking"]] == [None, None]
    assert "has not ended" in page.overview["evaluation"]["text"]


def test_what_was_judged_since_the_scores_were_made_is_said(tmp_path: Path) -> None:
    store = write_session(tmp_path, models=1, categories=1, per_category=5)
    write_judgements(store)
    assert "leave out" not in ReportPage(write_report(store)).overview["evaluation"]["text"]
    path = store.path / "evaluation" / "summary.json"
    written = json.loads(path.read_text())
    written["models"]["model-0"]["judged"] -= 2
    path.write_text(json.dumps(written))
    said = ReportPage(write_report(store)).overview["evaluation"]["text"]
    assert "Ranks and intervals leave out 2 of them" in said


def test_scores_that_nobody_can_have_computed_are_not_shown(tmp_path: Path) -> None:
    store = write_session(tmp_path, models=1, categories=1, per_category=3)
    write_judgements(store)
    path = store.path / "evaluation" / "summary.json"
    absurd = json.loads(path.read_text())
    absurd["models"]["model-0"]["pass_at_1"]["rate"] = 1e300
    path.write_text(json.dumps(absurd))
    assert ReportPage(write_report(store)).overview["ranking"][0]["rates"] == []
