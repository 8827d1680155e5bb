"""One HTTP reply as every wire format hands it on."""

from collections.abc import Mapping
from dataclasses import dataclass

# What an error has to say stands at its beginning. The rest is never looked at.
MOST_ERROR_BYTES = 64_000


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply, read to its end; headers in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text; bytes that are no UTF-8 are replaced."""
        return self.body.decode("utf-8", "replace")

    @property
    def beginning(self) -> str:
        """As much of the text as an error needs."""
        return self.body[:MOST_ERROR_BYTES].decode("utf-8", "replace")
