"""What this machine can run without a key: installed weights, and what a local server serves.

Imports next to nothing, since a list of models has to come at once.
"""

import os
import threading
import time
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from config.errors import ConfigError
from config.model_config import INSTALL_LOCAL
from config.user_path import user_path
from config.web_address import is_http_address
from models.wire.json_border import decode_json

RUNTIME_PACKAGE = "xllamacpp"
_LONGEST_LIST_BYTES = 4_000_000
_LONGEST_ID = 200  # characters


def find_gguf(*, package: str = "", path: str = "") -> Path:
    """Return the GGUF file that a package ships (it is not imported), or that stands at path.

    Raises ConfigError, with what to install, where the runtime or the file is missing.
    """
    needed = [name for name in (RUNTIME_PACKAGE, package) if name]
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        verb = "are" if len(missing) > 1 else "is"
        raise ConfigError(f"{' and '.join(missing)} {verb} not installed: {INSTALL_LOCAL}")
    if package:
        return _packaged_weights(package)
    file = user_path(path, "LOCAL_GGUF_PATH")
    if not os.path.isfile(file):  # noqa: PTH113 - unlike is_file, at peace with any name
        raise ConfigError(f"{file}: no such GGUF file (see LOCAL_GGUF_PATH)")
    return file.absolute()


def served_models(base_urls: str, api_key: str = "", deadline_seconds: float = 0.2) -> list[str]:
    """Return the model ids that OpenAI-compatible servers list, sorted.

    Without those that do not answer before the deadline, which holds for looking up a name too.
    """
    found: list[str] = []
    asking = [
        threading.Thread(
            target=_ask_for_models, args=(address, api_key, deadline_seconds, found), daemon=True
        )
        for address in addresses_in(base_urls)
        if is_http_address(address)
    ]
    for thread in asking:
        thread.start()
    ends_at = time.monotonic() + deadline_seconds
    for thread in asking:
        thread.join(max(0.0, ends_at - time.monotonic()))
    return sorted(set(found))


def addresses_in(base_urls: str) -> list[str]:
    """Return the addresses of a list with commas, each once and with the path of its API."""
    named = (address.strip() for address in base_urls.split(","))
    return list(dict.fromkeys(with_api_path(address) for address in named if address))


def with_api_path(base_url: str) -> str:
    """Return a server's address with the path of its API: /v1 unless another one is given."""
    plain = base_url.rstrip("/")
    if not is_http_address(plain):
        return plain  # which is said where it is used
    return plain if urlsplit(plain).path else f"{plain}/v1"


class _Model(msgspec.Struct):
    id: str


class _ModelList(msgspec.Struct):
    data: list[_Model]


_LIST_DECODER = msgspec.json.Decoder(_ModelList)


def _ask_for_models(base_url: str, api_key: str, timeout_seconds: float, found: list[str]) -> None:
    from http.client import HTTPConnection, HTTPException, HTTPSConnection  # 30 ms, seldom needed

    address = urlsplit(with_api_path(base_url))
    kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        with closing(kind(address.netloc, timeout=timeout_seconds)) as connection:
            connection.request("GET", f"{address.path}/models", headers=headers)
            body = connection.getresponse().read(_LONGEST_LIST_BYTES)
        listed = decode_json(body, _LIST_DECODER).data
        found.extend(model.id for model in listed if len(model.id) <= _LONGEST_ID)
    except (OSError, HTTPException, ValueError):  # no server, or not one that lists its models
        return


def _packaged_weights(package: str) -> Path:
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for file in sorted(Path(folder).glob("*.gguf")):
            return file
    raise ConfigError(f"the package {package} holds no .gguf file: {INSTALL_LOCAL}")
