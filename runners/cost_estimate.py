"""What a run will cost and how long it takes at least, before anything is sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from models.base_model import BaseModel, Usage
from models.pricing import price, worst_case_price
from prompts.problems import Problem
from prompts.prompt_template import build_prompt
from runners.reliable_call import estimate_tokens

# An answer is about its reference solution, with some prose; thinking comes on top. Both are
# guesses from runs of small problems, and the table calls them so.
_CHARACTERS_PER_TOKEN = 3.5
_PROSE_TOKENS = 150
_THINKING_TOKENS = 1500
_UNKNOWN_SOLUTION_TOKENS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class CostEstimate:
    """One model's share of a run. Tokens and US dollars are of all its tasks.

    expected_usd, worst_usd: None where the price is not known.
    least_minutes: what the known limits allow at best, None where none are known.
    """

    label: str
    tasks: int
    input_tokens: int
    expected_output_tokens: int
    worst_output_tokens: int
    expected_usd: float | None
    worst_usd: float | None
    least_minutes: float | None


def estimate_cost(model: BaseModel, problems: Sequence[Problem], at_seconds: float) -> CostEstimate:
    """Return the estimate for one model; at_seconds: the wall time for which prices are asked."""
    at = datetime.fromtimestamp(at_seconds, UTC)
    calls = [_Call(estimate_tokens(build_prompt(p)), _expected_output(model, p)) for p in problems]
    input_tokens = sum(call.input_tokens for call in calls)
    output_tokens = sum(call.output_tokens for call in calls)
    return CostEstimate(
        label=model.config.label,
        tasks=len(problems),
        input_tokens=input_tokens,
        expected_output_tokens=output_tokens,
        worst_output_tokens=model.max_tokens * len(problems),
        expected_usd=_sum([price(model.config, call.usage, at) for call in calls]),
        worst_usd=_sum(
            [
                worst_case_price(model.config, call.input_tokens, model.max_tokens, at)
                for call in calls
            ]
        ),
        least_minutes=_least_minutes(model, len(problems), input_tokens + output_tokens),
    )


@dataclass(frozen=True, slots=True)
class _Call:
    input_tokens: int
    output_tokens: int

    @property
    def usage(self) -> Usage:
        return Usage(input_tokens=self.input_tokens, output_tokens=self.output_tokens)


def _expected_output(model: BaseModel, problem: Problem) -> int:
    reference = len(problem.canonical_solution) / _CHARACTERS_PER_TOKEN
    answer = int(reference or _UNKNOWN_SOLUTION_TOKENS) + _PROSE_TOKENS
    thinking = _THINKING_TOKENS if model.config.reasons else 0
    return min(model.max_tokens, answer + thinking)


def _least_minutes(model: BaseModel, requests: int, tokens: int) -> float | None:
    config = model.config
    times = []
    if config.requests_per_minute:
        times.append(requests / config.requests_per_minute)
    if config.tokens_per_minute:
        times.append(tokens / config.tokens_per_minute)
    return max(times, default=None)


def _sum(prices: Sequence[float | None]) -> float | None:
    known = [amount for amount in prices if amount is not None]
    return sum(known) if len(known) == len(prices) else None
