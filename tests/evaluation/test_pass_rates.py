"""Pass rates against published values, and against scipy."""

import importlib
import math
from random import Random
from types import ModuleType

import pytest

from evaluation.pass_rates import (
    Samples,
    bootstrap,
    holm,
    mcnemar,
    paired_difference,
    pass_at_k,
    pass_rate,
    smallest_difference,
    wilson,
)
from evaluation.scores import ModelScore, pairs


@pytest.fixture(scope="module")
def stats() -> ModuleType:
    """Return scipy.stats, which takes a second to import: not where other tests are collected."""
    return importlib.import_module("scipy.stats")


@pytest.mark.parametrize(
    ("passed", "count", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
     (1, 29, 0.0061, 0.1718)],
)  # fmt: skip
def test_wilson_as_published(passed: int, count: int, low: float, high: float) -> None:
    interval = wilson(passed, count)
    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


@pytest.mark.parametrize("count", [1, 3, 24, 72, 164])
def test_wilson_as_scipy(count: int, stats: ModuleType) -> None:
    for passed in range(count + 1):
        ours = wilson(passed, count)
        theirs = stats.binomtest(passed, count).proportion_ci(0.95, method="wilson")
        assert ours.low == pytest.approx(theirs.low, abs=1e-9)
        assert ours.high == pytest.approx(theirs.high, abs=1e-9)


def test_nothing_counted_says_nothing() -> None:
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)


@pytest.mark.parametrize("count", [1, 5, 20, 200])
def test_pass_at_k_is_the_share_of_draws_that_hold_a_pass(count: int, stats: ModuleType) -> None:
    for passed in range(0, count + 1, max(1, count // 10)):
        for k in {1, min(5, count), count}:
            none = stats.hypergeom.pmf(0, count, passed, k)
            assert pass_at_k(Samples(passed, count), k) == pytest.approx(1 - none, abs=1e-9)


def test_pass_at_k_as_in_humaneval() -> None:
    # Chen et al. 2021, figure 3: the estimator of n samples with c right.
    assert pass_at_k(Samples(3, 10), 1) == pytest.approx(0.3)
    assert pass_at_k(Samples(1, 10), 10) == 1.0
    assert pass_at_k(Samples(0, 10), 10) == 0.0
    assert pass_at_k(Samples(2, 5), 2) == pytest.approx(1 - math.comb(3, 2) / math.comb(5, 2))


def test_too_few_samples_are_no_zero() -> None:
    with pytest.raises(ValueError, match="needs 5 samples"):
        pass_at_k(Samples(1, 4), 5)
    assert pass_rate([Samples(1, 5), Samples(1, 4)], 5, Random(1)) is None
    assert pass_rate([], 1, Random(1)) is None


def test_one_sample_a_problem_has_wilsons_interval() -> None:
    problems = [Samples(1, 1)] * 40 + [Samples(0, 1)] * 32
    rate = pass_rate(problems, 1, Random(1))
    assert rate is not None
    assert rate.rate == pytest.approx(40 / 72)
    assert rate.interval == wilson(40, 72)


def test_several_samples_have_an_interval_of_problems_not_of_samples(stats: ModuleType) -> None:
    problems = [Samples(number % 21, 20) for number in range(164)]
    rate = pass_rate(problems, 1, Random(1))
    assert rate is not None
    rates = [samples.passed / 20 for samples in problems]
    error = 1.96 * stats.sem(rates)
    assert rate.interval.low == pytest.approx(rate.rate - error, abs=0.01)
    assert rate.interval.high == pytest.approx(rate.rate + error, abs=0.01)
    pooled = wilson(sum(samples.passed for samples in problems), 164 * 20)
    assert rate.interval.high - rate.interval.low > 2 * (pooled.high - pooled.low)


def test_bootstrap_as_scipy(stats: ModuleType) -> None:
    random = Random(4)
    values = [random.random() for _ in range(80)]
    ours = bootstrap(values, Random(1))
    theirs = stats.bootstrap(
        (values,), lambda sample: sample.mean(), vectorized=False, method="percentile",
        n_resamples=2000, random_state=1,
    ).confidence_interval  # fmt: skip
    assert ours.low == pytest.approx(theirs.low, abs=0.01)
    assert ours.high == pytest.approx(theirs.high, abs=0.01)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (3, 9), (10, 10), (0, 8), (25, 4), (72, 0)])
def test_mcnemar_as_scipy(first: int, second: int, stats: ModuleType) -> None:
    expected = stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar(first, second) == pytest.approx(min(1.0, expected), rel=1e-9)


def test_holm_as_published() -> None:
    # Holm 1979 by hand: times 4, 3, 2, 1 in order of size, never less than the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_pairs_are_compared_on_what_both_solved(stats: ModuleType) -> None:
    pairs = [(Samples(1, 1), Samples(0, 1))] * 12 + [(Samples(0, 1), Samples(1, 1))] * 2
    pairs += [(Samples(1, 1), Samples(1, 1))] * 50
    found = paired_difference(pairs, Random(1))
    assert found is not None
    assert (found.first_only, found.second_only, found.problems) == (12, 2, 64)
    assert found.difference == pytest.approx(10 / 64)
    assert found.p_value == pytest.approx(stats.binomtest(12, 14).pvalue)
    differences = [1] * 12 + [-1] * 2 + [0] * 50
    low, high = stats.norm.interval(0.95, 10 / 64, stats.sem(differences))
    assert (found.interval.low, found.interval.high) == pytest.approx((low, high))
    assert paired_difference([], Random(1)) is None


def test_pairs_of_several_samples_are_bootstrapped_over_problems(stats: ModuleType) -> None:
    random = Random(2)
    firsts = [random.randrange(3, 11) for _ in range(100)]
    pairs = [(Samples(one, 10), Samples(max(0, one - random.randrange(4)), 10)) for one in firsts]
    found = paired_difference(pairs, Random(1))
    assert found is not None
    expected = stats.ttest_rel(*zip(*[(a.passed, b.passed) for a, b in pairs], strict=True))
    assert found.p_value < 0.01
    assert expected.pvalue < 0.01
    even = [(Samples(3, 10), Samples(7, 10)), (Samples(7, 10), Samples(3, 10))] * 20
    alike = paired_difference(even, Random(1))
    assert alike is not None
    assert alike.p_value > 0.9


@pytest.mark.parametrize("problems", [72, 164, 602])
def test_the_smallest_difference_is_found_four_times_out_of_five(
    problems: int, stats: ModuleType
) -> None:
    # 30 % of problems are solved by one model alone: the chance that the normal test shows it.
    difference = smallest_difference(problems, 0.3)
    deviation = math.sqrt((0.3 - difference**2) / problems)
    power = stats.norm.sf(stats.norm.ppf(0.975) - difference / deviation)
    assert power == pytest.approx(0.8, abs=0.005)


def test_equal_runs_give_equal_intervals() -> None:
    problems = [Samples(number % 6, 5) for number in range(50)]
    assert pass_rate(problems, 3, Random(20)) == pass_rate(problems, 3, Random(20))


def test_of_many_models_each_is_compared_with_the_best_alone() -> None:
    found = {f"m{n}": ModelScore(f"m{n}", {"a": Samples(n == 7, 1)}) for n in range(30)}
    found["m7"].verdicts["passed"] = 1
    compared = pairs(found)
    assert len(compared) == 29
    assert all("m7" in (pair.first, pair.second) for pair in compared)
    few = dict(list(found.items())[:5])
    assert len(pairs(few)) == 10
