"""What the user should know about a run at another service tier, a sentence each."""

from collections.abc import Sequence

from config.service_tier import Tier
from models.base_model import BaseModel
from models.catalog.pricing import discount


def tier_notes(models: Sequence[BaseModel], tier: Tier, at: float) -> list[str]:
    """Return which models have no flex tier, and whose flex price is not known, if it is asked for.

    at: wall seconds, for which prices are asked.
    """
    if tier == "default":
        return []
    at_flex = [model for model in models if model.requested_tier == "flex"]
    others = [model.config.label for model in models if model not in at_flex]
    unpriced = [
        model.config.label for model in at_flex if discount(model.config, "flex", at) is None
    ]
    notes = []
    if others:
        notes.append(f"No flex tier, so at the default tier and its price: {', '.join(others)}")
    if unpriced:
        notes.append(
            "Sent at the flex tier, but counted at the full price, since the price data has none "
            f"for flex: {', '.join(unpriced)}"
        )
    return notes
