"""The extractor that users call: rules first, and an LLM where they find nothing."""

import asyncio
import os

from config.environment import Environment
from config.model_config import DEFAULT_MAX_TOKENS
from config.model_configs import select_models
from models.base_model import CallOptions, Completion, make_model
from processors.extraction.code_candidates import Extraction
from processors.reading.llm_copy import Ask, copied_by_llm
from processors.reading.reading import ExtractionMode, Reading, Reply, check_copy, read_reply
from prompts.prompt_template import Prompt

DEFAULT_EXTRACTION_MODEL = "gpt-6-luna"  # OpenAI's cheapest current model


class SolutionExtractor:
    """Takes the code out of replies, in the caller's own process; a run reads them in workers.

    extraction_api_key: for an LLM of the provider that EXTRACTION_MODEL names, asked plainly:
        one attempt a question, no limiter.
    mode: "auto" asks the LLM only where the rules find nothing that defines the name; "agentic"
        for every reply that is not already clean code; "regex" never.
    """

    def __init__(
        self,
        extraction_api_key: str | None = None,
        *,
        mode: ExtractionMode = "auto",
        ask: Ask | None = None,
    ) -> None:
        if ask is None and extraction_api_key and mode != "regex":
            ask = build_ask(extraction_api_key)
        self._mode = mode
        self._ask = ask

    async def extract_python_code(self, raw_response: str, task_id: str) -> str:
        """Return the reply's code, "" where it holds none."""
        return (await self.extract(raw_response, task_id)).code

    async def extract(
        self,
        raw_response: str,
        task_id: str,  # noqa: ARG002 - the guide's
        expected_name: str | None = None,
        *,
        truncated_reply: bool = False,
    ) -> Extraction:
        """Return the reply's code and how it was come by."""
        reply = Reply(
            text=raw_response,
            name=expected_name,
            is_cut=truncated_reply,
            mode=self._mode if self._ask else "regex",
        )
        found = await asyncio.to_thread(read_reply, reply)
        if self._ask is None or found.answer is None:
            return found.extraction

        async def check(completion: str) -> Reading | str:
            return await asyncio.to_thread(check_copy, completion, reply, found.extraction)

        return (await copied_by_llm(self._ask, check, reply, found)).extraction


def build_ask(api_key: str) -> Ask:
    """Return a plain way to ask the model that EXTRACTION_MODEL names: one attempt a question.

    Raises ConfigError where that model is unknown or its packages are not installed.
    """
    environment = Environment(os.environ)
    name = environment.get("EXTRACTION_MODEL") or DEFAULT_EXTRACTION_MODEL
    row = select_models([name])[0]
    base_url = environment.base_url(row)

    async def ask(prompt: Prompt) -> Completion:
        # A copy is as long as what is copied; a token is rarely less than two characters.
        budget = max(DEFAULT_MAX_TOKENS, len(prompt.user) // 2)
        options = CallOptions(max_tokens=min(budget, row.max_output_tokens or budget))
        async with make_model(row, api_key=api_key, base_url=base_url, options=options) as model:
            return await model.complete(prompt)

    make_model(row, api_key=api_key, base_url=base_url)
    return ask
