"""What a run will cost and how long it takes at least, before anything is sent."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from config.model_config import ModelConfig
from config.prompt_text import PromptText
from config.rate_signal import Meter
from models.base_model import BaseModel, Usage
from models.catalog.pricing import Sold, discount, price
from prompts.placed_problems import AskedProblem
from prompts.problem import Problem
from prompts.prompt_template import build_prompt
from runners.batch.batch_route import BatchRoute, route_of
from runners.calls.budget import worst_case_usd
from runners.calls.reliable_call import estimate_tokens

# An answer is about its reference solution, with some prose; thinking comes on top. Both are
# guesses from runs of small problems, and the table calls them so.
_CHARACTERS_PER_TOKEN = 3.5
_PROSE_TOKENS = 150
_THINKING_TOKENS = 1500
_UNKNOWN_SOLUTION_TOKENS = 300


@dataclass(frozen=True, slots=True, order=True)
class LeastTime:
    """How long some calls take at least, and the limit that makes them: "20 requests/min"."""

    minutes: float
    limit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CostEstimate:
    """One model's share of a run. Tokens and US dollars are of all its tasks.

    expected_usd, worst_usd: None where the price is not known; least_call_usd, what the cheapest
        call may cost at worst, likewise.
    sold_usd: what is expected where they are sold otherwise (flex, batch), if a price is known.
    least_time: what the known limits allow at best, None where none are known.
    """

    label: str
    tasks: int
    input_tokens: int
    expected_output_tokens: int
    worst_output_tokens: int
    expected_usd: float | None
    worst_usd: float | None
    least_call_usd: float | None
    least_time: LeastTime | None
    sold_usd: Mapping[Sold, float] = field(default_factory=dict)

    @property
    def amounts(self) -> dict[Meter, int]:
        """What its tasks come to, in the units of the limits."""
        return _amounts(self.tasks, self.input_tokens, self.expected_output_tokens)


def estimate_cost(
    model: BaseModel,
    problems: Sequence[AskedProblem],
    samples: int,
    at_seconds: float,
    learned: Mapping[Meter, float],
    text: PromptText | None = None,
    *,
    keys: int = 1,
) -> CostEstimate:
    """Return the estimate for one model.

    samples: how often it is asked each problem. at_seconds: the wall time for which prices are
    asked. learned: limits per minute that earlier sessions met, beside those of the model's row.
    text: the words around every problem, None for the default's. keys: with how many it is asked,
    each within the row's limits; learned is of them all.
    """
    config, at = model.config, datetime.fromtimestamp(at_seconds, UTC)
    calls: list[_Call] = []
    worst_costs: list[float | None] = []
    for problem in (each.read() for each in problems):
        prompt = build_prompt(problem, text)
        calls.append(_Call(estimate_tokens(prompt), _expected_output(model, problem)))
        worst_costs.append(worst_case_usd(model, prompt, at))
    tasks = len(problems) * samples
    input_tokens = sum(call.input_tokens for call in calls) * samples
    output_tokens = sum(call.output_tokens for call in calls) * samples
    amounts = _amounts(tasks, input_tokens, output_tokens)
    return CostEstimate(
        label=config.label,
        tasks=tasks,
        input_tokens=input_tokens,
        expected_output_tokens=output_tokens,
        worst_output_tokens=model.max_tokens * tasks,
        expected_usd=_sum([price(config, call.usage, at) for call in calls], samples),
        worst_usd=_sum(worst_costs, samples),
        least_call_usd=min((cost for cost in worst_costs if cost is not None), default=None),
        least_time=_least_time(amounts, _configured(config, keys), learned),
        sold_usd=_otherwise(model, calls, samples, at),
    )


def least_time_of_key(
    estimates: Sequence[CostEstimate], key: str, learned: Mapping[Meter, float]
) -> LeastTime | None:
    """Return the least time of models that share an API key: the slowest's, or all under its limit.

    learned: limits per minute of the key, that earlier sessions met.
    """
    together: Counter[Meter] = Counter()
    for estimate in estimates:
        together.update(estimate.amounts)
    times = [estimate.least_time for estimate in estimates if estimate.least_time]
    of_key = _least_time(together, {}, learned)
    if of_key:
        times.append(LeastTime(of_key.minutes, f"{of_key.limit}, {key}"))
    return max(times, default=None)


def tasks_under_cap(estimates: Sequence[CostEstimate], cap_usd: float, *, worst: bool) -> int:
    """Return about how many tasks a cap pays for, at the worst or the expected cost of each.

    Models that are free, or have no known price, count as paid for.
    """
    costs = [(e.worst_usd if worst else e.expected_usd) or 0.0 for e in estimates]
    call = cheapest_call(estimates)
    # A call is sent only while its worst case fits under the cap: so much is never spent.
    room = cap_usd if worst else max(0.0, cap_usd - call)
    share = min(1.0, room / sum(costs)) if any(costs) else 1.0
    tasks = [e.tasks * (share if cost else 1.0) for e, cost in zip(estimates, costs, strict=True)]
    return max(int(sum(tasks)), int(0 < call <= cap_usd))


def cheapest_call(estimates: Sequence[CostEstimate]) -> float:
    """Return the least that one call may cost at worst in USD, over models that cost anything."""
    return min((e.least_call_usd for e in estimates if e.least_call_usd), default=0.0)


@dataclass(frozen=True, slots=True)
class _Call:
    input_tokens: int
    output_tokens: int

    @property
    def usage(self) -> Usage:
        return Usage(input_tokens=self.input_tokens, output_tokens=self.output_tokens)


def _otherwise(
    model: BaseModel, calls: Sequence[_Call], samples: int, at: datetime
) -> dict[Sold, float]:
    config, route = model.config, route_of(model, at.timestamp())
    ways: list[Sold] = []
    if model.knows_flex and config.has_flex and discount(config, "flex", at):
        ways.append("flex")
    if isinstance(route, BatchRoute) and route.sold == "batch":
        ways.append("batch")
    costs = {
        sold: _sum([price(config, call.usage, at, sold) for call in calls], samples)
        for sold in ways
    }
    return {sold: cost_usd for sold, cost_usd in costs.items() if cost_usd is not None}


def _expected_output(model: BaseModel, problem: Problem) -> int:
    reference = len(problem.canonical_solution) / _CHARACTERS_PER_TOKEN
    answer = int(reference or _UNKNOWN_SOLUTION_TOKENS) + _PROSE_TOKENS
    thinking = _THINKING_TOKENS if model.config.reasons else 0
    return min(model.max_tokens, answer + thinking)


def _amounts(tasks: int, input_tokens: int, output_tokens: int) -> dict[Meter, int]:
    return {
        "requests": tasks,
        "tokens": input_tokens + output_tokens,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
    }


def _configured(config: ModelConfig, keys: int) -> dict[Meter, float]:
    """Return what a model's row allows with so many keys, 0 where it names no limit."""
    return {
        "requests": keys * (config.requests_per_minute or 0.0),
        "tokens": keys * (config.tokens_per_minute or 0.0),
    }


def _least_time(
    amounts: Mapping[Meter, int],
    configured: Mapping[Meter, float],
    learned: Mapping[Meter, float],
) -> LeastTime | None:
    known = [(meter, limit, "") for meter, limit in configured.items() if limit]
    known += [(meter, limit, ", learned before") for meter, limit in learned.items()]
    times = [
        LeastTime(amounts[meter] / limit, f"{limit:,.0f} {meter.replace('_', ' ')}/min{source}")
        for meter, limit, source in known
        if meter in amounts
    ]
    return max(times, default=None)


def _sum(prices: Sequence[float | None], times: int) -> float | None:
    known = [amount for amount in prices if amount is not None]
    return sum(known) * times if len(known) == len(prices) else None
