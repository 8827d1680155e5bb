"""xAI's Grok models: chat completions that count reasoning beside the output."""

from dataclasses import replace

from models.base_model import Usage
from models.chat_completions import ChatCompletionsModel, ChatUsage

_MOST_REASONING_TOKENS = 32_768
_TICKS_A_USD = 1e10


class XAIModel(ChatCompletionsModel):
    """A Grok model.

    Rows leave out stop and the penalties, which reasoning models refuse, and set reasoning_effort
    only for families that take it (grok-4.3: none to high; grok-4.5: low to high).
    """

    default_base_url = "https://api.x.ai/v1"

    @property
    def most_output_tokens(self) -> int:
        # Whether max_tokens counts the reasoning, which the usage counts beside the output, is
        # not known.
        return super().most_output_tokens + (_MOST_REASONING_TOKENS if self.config.reasons else 0)

    def read_usage(self, usage: ChatUsage) -> Usage:
        """Return the counts, with the reasoning added to the output that it is billed as.

        completion_tokens leaves reasoning out (cloud.google.com, Grok reasoning); where
        total_tokens shows that it is in already, nothing is added.
        """
        counts = super().read_usage(usage)
        if usage.cost_in_usd_ticks is not None:  # in a batch with its discount
            counts = replace(counts, billed_usd=usage.cost_in_usd_ticks / _TICKS_A_USD)
        if usage.total_tokens == usage.prompt_tokens + usage.completion_tokens:
            return counts
        return replace(
            counts,
            output_tokens=usage.completion_tokens + usage.reasoning_tokens,
            reasoning_tokens=usage.reasoning_tokens,
        )
