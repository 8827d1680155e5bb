"""Made-up models on this machine, good to bad, for runs that cost nothing: pictures, tests."""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from aiohttp import web

from prompts.problems import Problem

# A slip that still parses: what it makes of what.
_SLIPS = (
    ("return ", "return not "),
    (" == ", " != "),
    (" < ", " <= "),
    (" > ", " >= "),
    (" + 1", ""),
    (" - 1", ""),
    ("sorted(", "list("),
    (" and ", " or "),
    ("min(", "max("),
    ("[1:]", ""),
    (" not in ", " in "),
    ("range(", "range(1, "),
    (" = 0", " = 1"),
    ("True", "False"),
)
_NAME_ASKED_FOR = re.compile(r"name it exactly `(\w+)`")


@dataclass(frozen=True, slots=True)
class DemoModel:
    """How one of them behaves.

    seconds: of a usual answer. flaws: the share of answers that are not a plain good one, to a
    problem of medium difficulty. busy: the share of calls that are answered by a 503.
    dollars: for a million tokens, in and out; nobody is asked for them.
    """

    seconds: float
    flaws: float
    busy: float = 0.04
    dollars: tuple[float, float] = (0.0, 0.0)


DEMO_MODELS: Mapping[str, DemoModel] = {
    "demo-giant": DemoModel(seconds=1.6, flaws=0.05, dollars=(5.0, 25.0)),
    "demo-large": DemoModel(seconds=0.9, flaws=0.07, dollars=(1.2, 6.0)),
    "demo-medium": DemoModel(seconds=0.7, flaws=0.2, dollars=(0.5, 2.0)),
    "demo-small": DemoModel(seconds=0.5, flaws=0.3, dollars=(0.1, 0.4)),
    "demo-tiny": DemoModel(seconds=0.3, flaws=0.6, dollars=(0.04, 0.1)),
}
_HARDER = {1: 0.4, 2: 1.0, 3: 1.6}  # complexity -> how much more often a model errs


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
        if self._chance.random() > model.flaws * _HARDER.get(problem.complexity or 2, 1.0):
            return plain, "stop"
        kinds = ("slip", "docstring", "name", "syntax", "truncated", "refusal")
        kind = self._chance.choices(kinds, weights=(8, 2, 1, 1, 2, 1))[0]
        if kind == "slip":
            return plain.replace(code, self._slipped(code)), "stop"
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

    def _slipped(self, code: str) -> str:
        possible = [slip for slip in _SLIPS if slip[0] in code]
        return code.replace(*self._chance.choice(possible), 1) if possible else "pass"
