"""What providers say about their batch APIs: facts that change, as rows of data.

Whether a batch is cheaper, and by how much, is not here: prices come from genai-prices alone
(models/catalog/pricing.py). A model without a known batch price is asked live, unless its
provider's own pages say that a batch of it is cheaper (cheaper_by_its_docs): then it goes in a
batch, but is priced in full, since nobody counts on a discount that the data does not have.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

HOUR_SECONDS = 3600.0
DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """One provider's batch API.

    most_rows, most_bytes: of one batch; most_row_bytes: of one line, None for no such bound.
    custom_id: the pattern that an id has to match as a whole; ours are "<8 of a-z0-9>-<row>".
    first_look_seconds: from the create to the first poll; small batches end in seconds.
    longest_look_seconds: polls come ever more slowly, up to this.
    window_seconds: after which the provider gives a batch up, for people.
    deadline_seconds: from when on a batch that still runs is cancelled here; its finished rows
        are landed, and the others asked again.
    keep_seconds: how long results can be fetched; kept_from: since when that counts.
    told_by_count: nothing but its number of requests tells a batch from others of the same time.
    absent_seconds: a create whose reply was lost came to nothing once the batch has not shown up
        in lists for so long after it; None where absence proves nothing.
    lost_look_seconds: between two looks for a create that came to nothing, in case it did not.
    no_file_seconds: how long a batch that has ended may name no results before it has none.
    never_batched: API ids that the provider does not take in batches.
    cheaper_by_its_docs: API ids whose discount is documented, but in no price data.
    """

    most_rows: int
    most_bytes: int
    most_row_bytes: int | None = None
    custom_id: str = r"[a-zA-Z0-9_-]{1,64}"
    first_look_seconds: float = 2.0
    longest_look_seconds: float = 60.0
    window_seconds: float = DAY_SECONDS
    deadline_seconds: float = DAY_SECONDS + HOUR_SECONDS
    keep_seconds: float
    kept_from: Literal["end", "creation"] = "end"
    told_by_count: bool = False
    absent_seconds: float | None = 600.0
    lost_look_seconds: float = 300.0
    no_file_seconds: float = 300.0
    never_batched: tuple[str, ...] = ()
    cheaper_by_its_docs: tuple[str, ...] = ()


BATCH_LIMITS: Mapping[str, BatchLimits] = {
    # developers.openai.com/api/docs/guides/batch. Downloads of more than 200 MB break off.
    "openai": BatchLimits(
        most_rows=50_000,
        most_bytes=200_000_000,
        keep_seconds=30 * DAY_SECONDS,
    ),
    # platform.claude.com, batch processing. Its list shows no token: batches of the right time and
    # size are waited for, and only where there is none for so long does absence prove anything.
    # What was just made may not be found for a quarter of an hour, as users of its SDK report.
    "anthropic": BatchLimits(
        most_rows=100_000,
        most_bytes=256_000_000,
        keep_seconds=29 * DAY_SECONDS,
        kept_from="creation",
        told_by_count=True,
        absent_seconds=1800.0,
    ),
    # ai.google.dev/gemini-api/docs/batch-api: files up to 2 GB; jobs die after 48 hours.
    "google": BatchLimits(
        most_rows=50_000,
        most_bytes=200_000_000,
        window_seconds=2 * DAY_SECONDS,
        deadline_seconds=2 * DAY_SECONDS + HOUR_SECONDS,
        keep_seconds=42 * DAY_SECONDS,
    ),
    # docs.x.ai, batch API: no deadline; what is not done expires after 30 days.
    "xai": BatchLimits(
        most_rows=50_000,
        most_bytes=200_000_000,
        most_row_bytes=20_000_000,
        longest_look_seconds=30.0,
        deadline_seconds=3 * DAY_SECONDS,
        keep_seconds=30 * DAY_SECONDS,
        kept_from="creation",
        never_batched=("grok-4.5", "grok-4.6"),  # "not supported for batch processing"
    ),
    # docs.together.ai/docs/inference/batch: best effort 24 hours, up to 72.
    "together": BatchLimits(
        most_rows=50_000,
        most_bytes=100_000_000,
        most_row_bytes=10_000_000,
        window_seconds=3 * DAY_SECONDS,
        deadline_seconds=3 * DAY_SECONDS,
        keep_seconds=7 * DAY_SECONDS,
        cheaper_by_its_docs=("meta-llama/Llama-3.3-70B-Instruct-Turbo",),
    ),
}
