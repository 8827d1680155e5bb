"""Rows of models that only this machine knows: a GGUF file, or what a local server serves."""

import re
import zlib

from config.environment import Environment
from config.model_config import ModelConfig
from config.user_path import user_path

LOCAL_PREFIX = "local:"
LONGEST_LABEL = 80  # a folder name, within every system's limits


def gguf_rows(environment: Environment) -> list[ModelConfig]:
    """Return the row local_gguf for the file that LOCAL_GGUF_PATH names, if it is set."""
    path = environment.get("LOCAL_GGUF_PATH")
    if path is None:
        return []
    file = user_path(path, "LOCAL_GGUF_PATH").absolute()
    return [
        ModelConfig(
            name="local_gguf",
            provider="local",
            api_key_env="",
            model_class="LocalModel",
            model_params={"model_name": file.stem, "gguf_path": str(file)},
            label=_label(file.stem),
            packages=("xllamacpp",),
            note=f"{file.name}, runs here",
        )
    ]


def local_server_row(api_id: str) -> ModelConfig:
    """Return the row of a model of the server at LOCAL_BASE_URL."""
    return ModelConfig(
        name=f"{LOCAL_PREFIX}{api_id}",
        provider="local",
        api_key_env="LOCAL_API_KEY",
        model_class="LocalModel",
        model_params={"model_name": api_id},
        label=_label(api_id),
    )


def _label(api_id: str) -> str:
    """Return a folder name that no other local model has, also where case does not count."""
    plain = re.sub("[^a-z0-9._-]+", "-", api_id.lower()).strip(".-")
    label = f"local-{plain}"[:LONGEST_LABEL]
    if label == f"local-{api_id}":
        return label
    return f"{label}-{zlib.crc32(api_id.encode()):08x}"
