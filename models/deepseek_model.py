"""DeepSeek's models: plain chat completions."""

from models.chat_completions import ChatCompletionsModel


class DeepSeekModel(ChatCompletionsModel):
    """A DeepSeek model.

    Thinking is on unless a row turns it off: model_params={"thinking": {"type": "disabled"}}; a row
    that leaves it on says reasons=True. A queued call gets blank lines before its JSON, for up to
    ten minutes (api-docs.deepseek.com, rate_limit).
    """

    default_base_url = "https://api.deepseek.com"
