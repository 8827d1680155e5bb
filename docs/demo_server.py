"""Made-up models on this machine, good to bad, for runs that cost nothing: pictures, tests."""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from aiohttp import web

from prompts.problems import Problem

_NAME_ASKED_FOR = re.compile(r"name it exactly `(\w+)`")


@dataclass(frozen=True, slots=True)
class DemoModel:
    """How one of them behaves.

    seconds: of a usual answer. flaws: the share of answers that are not a plain good one.
    busy: the share of calls that are answered by a 503.
    """

    seconds: float
    flaws: float
    busy: float = 0.04


DEMO_MODELS: Mapping[str, DemoModel] = {
    "demo-large": DemoModel(seconds=1.1, flaws=0.08),
    "demo-medium": DemoModel(seconds=0.9, flaws=0.25),
    "demo-small": DemoModel(seconds=0.7, flaws=0.55),
}


class DemoServer:
    """An OpenAI-compatible server on the loopback; an async context manager.

    models: by the name under which they are asked.
    """

    def __init__(
        self,
        problems: list[Problem],
        chance: Random,
        models: Mapping[str, DemoModel] = DEMO_MODELS,
    ) -> None:
        self._by_name = {problem.name: problem for problem in problems}
        self._chance = chance
        self._models = models
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> "DemoServer":
        app = web.Application()
        app.router.add_get("/v1/models", self._list_models)
        app.router.add_post("/v1/chat/completions", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _list_models(self, _: web.Request) -> web.Response:
        return web.json_response(
            {"object": "list", "data": [{"id": name} for name in self._models]}
        )

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        model = self._models[body["model"]]
        await asyncio.sleep(model.seconds * self._chance.lognormvariate(0, 0.5))
        if self._chance.random() < model.busy:
            return web.json_response({"error": {"message": "Busy, come back later"}}, status=503)
        asked = _NAME_ASKED_FOR.search(json.dumps(body["messages"]))
        problem = self._by_name[asked[1]] if asked else next(iter(self._by_name.values()))
        text, finish = self._reply(problem, model)
        return web.json_response(
            {
                "id": f"chatcmpl-{self._chance.getrandbits(40):x}",
                "model": body["model"],
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": text},
                        "finish_reason": finish,
                    }
                ],
                "usage": {
                    "prompt_tokens": len(problem.problem) // 4 + 90,
                    "completion_tokens": len(text) // 4,
                },
            }
        )

    def _reply(self, problem: Problem, model: DemoModel) -> tuple[str, str]:
        """Return a text and its finish reason: the reference solution, or a flawed one."""
        code = problem.canonical_solution.strip()
        plain = f"Here is `{problem.name}`:\n\n```python\n{code}\n```\n"
        if self._chance.random() > model.flaws:
            return plain, "stop"
        kind = self._chance.choice(("docstring", "name", "syntax", "truncated", "refusal"))
        if kind == "docstring":
            noted = code.replace(":\n", ':\n    """See the examples in the task."""\n', 1)
            return plain.replace(code, noted), "stop"
        if kind == "name":
            return plain.replace(problem.name, f"{problem.name}_v2"), "stop"
        if kind == "syntax":
            return plain.replace(":\n", "\n", 2), "stop"
        if kind == "truncated":
            return plain[: len(plain) // 2], "length"
        return "I'm sorry, but I can't help with that request.", "content_filter"
