"""Which counts of tokens one call can have had."""

from collections.abc import Mapping

from config.token_usage import Usage
from prompts.prompt_template import Prompt

# Providers count a little differently, and some go a little beyond the budget.
_OUTPUT_SLACK, _OUTPUT_SLACK_TOKENS = 1.25, 256
_TOKENS_ROUND_A_PROMPT = 8_192  # chat templates, and what some providers put before a prompt


def implausible_usage(usage: Usage, prompt: Prompt, most_output_tokens: int) -> str | None:
    """Return what cannot be meant about a reply's counts, None where all of it can.

    A token is at least one byte of the prompt, and an answer ends with its budget.
    """
    counts = (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens)
    if min(counts) < 0:
        return "tokens below zero"
    most_output = int(_OUTPUT_SLACK * most_output_tokens) + _OUTPUT_SLACK_TOKENS
    if usage.output_tokens > most_output or usage.reasoning_tokens > most_output:
        tokens = max(usage.output_tokens, usage.reasoning_tokens)
        return f"{_shown(tokens)} output tokens where {most_output_tokens} were permitted"
    prompt_bytes = len(prompt.joined.encode("utf-8", "replace"))
    most_input = prompt_bytes + _TOKENS_ROUND_A_PROMPT
    if usage.input_tokens > most_input or usage.cached_tokens > most_input:
        tokens = max(usage.input_tokens, usage.cached_tokens)
        return f"{_shown(tokens)} input tokens for a prompt of {prompt_bytes} bytes"
    return None


def further_budget(parameters: Mapping[str, object]) -> int:
    """Return the tokens that a row's own parameters permit beside max_tokens, as for thinking."""
    tokens = 0
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            tokens += further_budget(value)
        elif isinstance(value, int) and ("tokens" in name.lower() or "budget" in name.lower()):
            tokens += max(value, 0)
    return tokens


def _shown(tokens: int) -> str:
    return f"{tokens}" if tokens < 10**15 else f"{float(min(tokens, 10**300)):.0e}"
