"""What a server lists in place of a model that it does not know, in words."""

import asyncio

from config.errors import CollectionError
from models.base_model import BaseModel
from models.catalog.model_listing import listed_models

_DEADLINE_SECONDS = 5.0


async def listed_words(model: BaseModel) -> str:
    """Return what a model's server lists, the likeliest first; "" where it does not say."""
    try:
        async with asyncio.timeout(_DEADLINE_SECONDS):
            listing = await listed_models(model)
    except (CollectionError, TimeoutError):
        return ""
    if model.model_name in listing.names:
        return "the server does list this model"
    # Some list thousands.
    return f"the server lists: {await asyncio.to_thread(listing.nearest, model.model_name)}"
