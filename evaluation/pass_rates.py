"""Pass rates with intervals, and whether two models differ; pure.

Sources: Chen et al. 2021 (arXiv 2107.03374) for pass@k; Wilson 1927 and Newcombe 1998 for the
interval of a proportion; McNemar 1947, exact; Holm 1979; Miller 2024 (arXiv 2411.00640) for
problems as the unit, and for pairs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from statistics import NormalDist, fmean, stdev

LEVEL = 0.95
_RESAMPLES = 2000
_POWER = 0.8


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a figure is likely to be: 95 % of such intervals hold the true one."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Samples:
    """One problem's samples, and how many of them passed."""

    passed: int
    count: int


@dataclass(frozen=True, slots=True)
class PassRate:
    """pass@k over problems, with its interval."""

    k: int
    rate: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Two models on the problems that both have.

    first_only, second_only: problems that one alone solved (with several samples: solved more
    often). difference: the first's rate less the second's. p_value: of no difference, before Holm.
    """

    problems: int
    first_only: int
    second_only: int
    difference: float
    interval: Interval
    p_value: float


def wilson(passed: int, count: int, level: float = LEVEL) -> Interval:
    """Return Wilson's interval of a proportion; 0 to 1 where nothing was counted."""
    if count == 0:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf((1 + level) / 2)
    rate = passed / count
    scale = 1 + z * z / count
    middle = (rate + z * z / (2 * count)) / scale
    reach = z / scale * math.sqrt(rate * (1 - rate) / count + z * z / (4 * count * count))
    low = 0.0 if passed == 0 else max(0.0, middle - reach)
    high = 1.0 if passed == count else min(1.0, middle + reach)
    return Interval(low, high)


def pass_at_k(samples: Samples, k: int) -> float:
    """Return the unbiased chance that one of k samples of a problem passes.

    Raises ValueError where there are fewer than k.
    """
    if samples.count < k:
        raise ValueError(f"pass@{k} needs {k} samples, there are {samples.count}")
    if samples.count - samples.passed < k:
        return 1.0
    failing = range(samples.count - samples.passed + 1, samples.count + 1)
    return 1.0 - math.prod(1.0 - k / number for number in failing)


def pass_rate(problems: Sequence[Samples], k: int, random: Random) -> PassRate | None:
    """Return pass@k over problems; None where there are none, or one has fewer than k samples.

    With one sample a problem the interval is Wilson's, with several a bootstrap over problems.
    """
    if not problems or any(samples.count < k for samples in problems):
        return None
    rates = [pass_at_k(samples, k) for samples in problems]
    rate = math.fsum(rates) / len(rates)
    if all(value in (0.0, 1.0) for value in rates):
        interval = wilson(round(math.fsum(rates)), len(rates))
    else:
        interval = bootstrap(rates, random)
    return PassRate(k, rate, interval)


def bootstrap(values: Sequence[float], random: Random, level: float = LEVEL) -> Interval:
    """Return the percentile interval of the mean, of resampled problems."""
    size = len(values)
    means = sorted(math.fsum(random.choices(values, k=size)) / size for _ in range(_RESAMPLES))
    tail = (1 - level) / 2
    last = len(means) - 1
    return Interval(means[round(tail * last)], means[round((1 - tail) * last)])


def mcnemar(first_only: int, second_only: int) -> float:
    """Return the exact two-sided p-value that the two are equally often right alone."""
    count = first_only + second_only
    if count == 0:
        return 1.0
    rarer = min(first_only, second_only)
    tail = sum(math.comb(count, number) for number in range(rarer + 1))
    doubled: float = 2 * tail / 2**count
    return min(1.0, doubled)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values that hold for a whole table of comparisons, in the order given."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted = [1.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def paired_difference(
    pairs: Sequence[tuple[Samples, Samples]], random: Random
) -> PairedDifference | None:
    """Return how two models differ on the same problems; None where there are none.

    With one sample each p is McNemar's, and the interval that of the mean of paired differences;
    with several both are the bootstrap's.
    """
    if not pairs:
        return None
    differences = [pass_at_k(first, 1) - pass_at_k(second, 1) for first, second in pairs]
    first_only = sum(value > 0 for value in differences)
    second_only = sum(value < 0 for value in differences)
    if all(first.count == second.count == 1 for first, second in pairs):
        p_value = mcnemar(first_only, second_only)
        interval = _interval_of_mean(differences)
    else:
        p_value = _bootstrap_p(differences, random)
        interval = bootstrap(differences, random)
    return PairedDifference(
        problems=len(pairs),
        first_only=first_only,
        second_only=second_only,
        difference=math.fsum(differences) / len(differences),
        interval=interval,
        p_value=p_value,
    )


def smallest_difference(problems: int, share_that_differ: float = 0.3) -> float:
    """Return the difference of two rates that this many problems show four times out of five.

    share_that_differ: of problems that one model alone solves. Raises ValueError for no problems.
    """
    if problems < 1:
        raise ValueError("no problems show no difference")
    normal = NormalDist()
    z = normal.inv_cdf((1 + LEVEL) / 2) + normal.inv_cdf(_POWER)
    # With the variance of a paired difference, share - difference**2, solved for the difference.
    return min(1.0, z * math.sqrt(share_that_differ / (problems + z * z)))


def _interval_of_mean(values: Sequence[float]) -> Interval:
    """Return the interval by the central limit theorem; a mean of one value has the whole range."""
    if len(values) < 2:
        return Interval(-1.0, 1.0)
    reach = NormalDist().inv_cdf((1 + LEVEL) / 2) * stdev(values) / math.sqrt(len(values))
    return Interval(max(-1.0, fmean(values) - reach), min(1.0, fmean(values) + reach))


def _bootstrap_p(differences: Sequence[float], random: Random) -> float:
    """Return the two-sided p-value, from resamples of the differences moved to a mean of nought."""
    size = len(differences)
    mean = math.fsum(differences) / size
    centred = [value - mean for value in differences]
    extreme = sum(
        abs(math.fsum(random.choices(centred, k=size)) / size) >= abs(mean) - 1e-12
        for _ in range(_RESAMPLES)
    )
    return (extreme + 1) / (_RESAMPLES + 1)
