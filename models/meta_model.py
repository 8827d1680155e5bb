"""Meta's Llama models, and whatever else two hosts of open models serve."""

from collections.abc import Mapping

from config.errors import ConfigError
from models.chat_completions import ChatCompletionsModel

_BASE_URLS: Mapping[str, str] = {
    "together": "https://api.together.ai/v1",
    "huggingface": "https://router.huggingface.co/v1",
}


class MetaModel(ChatCompletionsModel):
    """An open model at Together AI (provider together) or Hugging Face's router (huggingface).

    At Hugging Face, model_name should end in the provider that is to serve it, as in
    "meta-llama/Llama-3.3-70B-Instruct:groq": without one it changes from call to call.
    """

    def home(self) -> str:
        """Return the base URL of the row's provider."""
        row = self.config
        if row.provider not in _BASE_URLS:
            raise ConfigError(f"{row.name}: MetaModel knows {', '.join(_BASE_URLS)} as provider")
        return _BASE_URLS[row.provider]
