"""Which models have a batch API that the collector speaks."""

from models.base_model import BaseModel
from models.batch.batch_api import BatchApi


def batch_api(model: BaseModel) -> BatchApi | None:
    """Return a model's batch API, None where there is none."""
    # Imported late: each brings its model's SDK, which is loaded where the model is one of its own.
    if model.config.provider == "openai":
        from models.batch.openai_batch import OpenAIBatch
        from models.openai_model import OpenAIModel

        return OpenAIBatch(model) if isinstance(model, OpenAIModel) else None
    return None
