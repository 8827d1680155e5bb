"""SDKs take seconds to import: that is no part of a request, and calls at once share the import."""

import asyncio
import sys
from pathlib import Path

import pytest

from config.model_config import ModelConfig
from models.base_model import BaseModel, CallOptions
from tests.support.wire import PROMPT

CONFIG = ModelConfig(
    name="mine", provider="mine", api_key_env="MINE_API_KEY", model_class="SlowStarter"
)


class SlowStarter(BaseModel):
    """A model whose SDK takes longer to import than a request may take."""

    sdk = "an_sdk_that_is_slow"

    async def generate_completion(self, prompt: str) -> str:
        return str(sys.modules[self.sdk].ANSWER)


async def test_an_import_takes_nothing_of_a_requests_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "import time\ntime.sleep(1)\nANSWER = 'imported as a whole'\n"
    (tmp_path / f"{SlowStarter.sdk}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    model = SlowStarter(CONFIG, options=CallOptions(request_timeout_seconds=0.5))
    replies = await asyncio.gather(*(model.complete(PROMPT) for _ in range(3)))
    assert [reply.text for reply in replies] == ["imported as a whole"] * 3
