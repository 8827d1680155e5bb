"""The tokens that one call used."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one call. cached is part of input, reasoning is part of output.

    billed_usd: what the provider itself says that it bills for them, where it does.
    """

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    billed_usd: float | None = None
