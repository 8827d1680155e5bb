"""Which models have a batch API that the collector speaks."""

from models.base_model import BaseModel
from models.batch.batch_api import BatchApi


def batch_api(model: BaseModel) -> BatchApi | None:
    """Return a model's batch API, None where there is none.

    Its requests name no service tier: a batch has a price of its own.
    """
    model = model.at_default_tier()
    # Imported late: each brings its model's SDK, which is loaded where the model is one of its own.
    match model.config.provider:
        case "openai":
            from models.batch.openai_batch import OpenAIBatch
            from models.openai_model import OpenAIModel

            return OpenAIBatch(model) if isinstance(model, OpenAIModel) else None
        case "anthropic":
            from models.anthropic_model import AnthropicModel
            from models.batch.anthropic_batch import AnthropicBatch

            return AnthropicBatch(model) if isinstance(model, AnthropicModel) else None
        case "google":
            from models.batch.google_batch import GoogleBatch
            from models.google_model import GoogleModel

            return GoogleBatch(model) if isinstance(model, GoogleModel) else None
        case "xai":
            from models.batch.xai_batch import XAIBatch
            from models.xai_model import XAIModel

            return XAIBatch(model) if isinstance(model, XAIModel) else None
        case "together":
            from models.batch.together_batch import TogetherBatch
            from models.meta_model import MetaModel

            return TogetherBatch(model) if isinstance(model, MetaModel) else None
    return None
