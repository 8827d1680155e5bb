"""A request as Google's SDK puts it on the wire: for batches, whose files hold it as it is."""

from types import SimpleNamespace
from typing import cast

from google.genai import _api_client, _common, types
from google.genai import models as sdk_models


def wire_body(model: str, contents: str, config: types.GenerateContentConfig) -> dict[str, object]:
    """Return the JSON object that models.generate_content posts for these arguments.

    The SDK has no public name for it: its version is pinned, and a test compares this with what
    a call sends.
    """
    asked = types._GenerateContentParameters(model=model, contents=contents, config=config)
    # All that the converter asks of a client is which of Google's APIs it speaks to.
    client = cast(_api_client.BaseApiClient, SimpleNamespace(vertexai=False))
    body = sdk_models._GenerateContentParameters_to_mldev(client, asked, None, asked)
    plain = _common.encode_unserializable_types(_common.convert_to_dict(body))
    return {name: value for name, value in plain.items() if not name.startswith("_")}
