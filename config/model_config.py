"""What the collector knows about one model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec

ParameterValue = str | int | float | bool | None | Mapping[str, object]

INSTALL_LOCAL = "pip install --no-deps -r requirements-local.txt"

DEFAULT_TEMPERATURE = 0.2
DEFAULT_MAX_TOKENS = 4096
DEFAULT_MAX_TOKENS_REASONING = 16384  # thinking counts against the output budget


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """One row of the registry: facts about one model of one provider.

    name: the registry name that --list-models shows.
    provider: openai, anthropic, google, xai, together, huggingface, deepseek, local, or your own.
    api_key_env: the variable that holds the key; "" where no key is needed.
    model_class: the class in models/ that speaks to it.
    model_params: model_name is the API id; max_tokens and temperature override the defaults;
        anything else is handed to the model class.
    label: names the folder and stands in the records; by default the API id.
    aliases: further names that --models takes; they mean the row's own API id.
    api_aliases: further ids that the API itself knows the model by; what was typed is asked for.
    context_tokens, max_output_tokens: the provider's limits, None where they are not known.
    requests_per_minute, tokens_per_minute: upper bounds to keep to, None to learn them.
    reasons: the model thinks before it answers, on the output budget.
    accepts_temperature: the API takes a temperature for this model.
    has_flex: the provider sells it at its flex tier too.
    retired: the date (YYYY-MM-DD) from which the provider no longer serves it, None if served.
    replacement: the API id that the provider names instead.
    packages: import names that the model needs beside requirements.txt.
    note: one short remark for --list-models.
    """

    name: str
    provider: str
    api_key_env: str
    model_class: str
    model_params: Mapping[str, ParameterValue] = field(default_factory=dict)
    label: str = ""
    aliases: tuple[str, ...] = ()
    api_aliases: tuple[str, ...] = ()
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    reasons: bool = False
    accepts_temperature: bool = True
    has_flex: bool = False
    retired: str | None = None
    replacement: str | None = None
    packages: tuple[str, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        if not self.label:
            object.__setattr__(self, "label", self.api_id)

    @property
    def api_id(self) -> str:
        """The model's name in the provider's API."""
        return str(self.model_params.get("model_name") or self.name)

    @property
    def key_is_optional(self) -> bool:
        """Local models take a key (a server may want one) but need none."""
        return not self.api_key_env or self.provider == "local"

    @property
    def is_free(self) -> bool:
        """Whether no call to it can be billed."""
        return self.provider == "local"

    @property
    def missing_packages(self) -> list[str]:
        """The packages that are not installed; none of them is imported to find out."""
        return [package for package in self.packages if find_spec(package) is None]

    @property
    def base_url_env(self) -> str:
        """The variable that sends this model's calls to another address."""
        stem = self.api_key_env.removesuffix("_API_KEY") or self.provider.upper()
        return f"{stem}_BASE_URL"
