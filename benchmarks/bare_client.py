"""The same calls without the collector: a client in a loop, and nothing done with the replies.

Run `python benchmarks/bare_client.py openai|aiohttp --port PORT --calls N --width W
--dataset-path DIR`; it prints one JSON object: calls, wall_seconds, cpu_seconds.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from prompts.problems import load_problems
from prompts.prompt_template import Prompt, build_prompt

_MAX_TOKENS = 4096
_TEMPERATURE = 0.2

Call = Callable[[Prompt], Awaitable[None]]


async def through_openai(address: str, run: Callable[[Call], Awaitable[None]]) -> None:
    """Run with the SDK's own method, over the transport that it calls its fast one."""
    import openai

    transport = openai.DefaultAioHttpClient()
    async with openai.AsyncOpenAI(
        api_key="key", base_url=address, http_client=transport, max_retries=0
    ) as client:

        async def call(prompt: Prompt) -> None:
            reply = await client.chat.completions.create(
                model="gpt-4o",
                messages=[
                    {"role": "system", "content": prompt.system},
                    {"role": "user", "content": prompt.user},
                ],
                max_completion_tokens=_MAX_TOKENS,
                temperature=_TEMPERATURE,
            )
            assert reply.choices[0].message.content

        await run(call)


async def through_aiohttp(address: str, run: Callable[[Call], Awaitable[None]]) -> None:
    """Run with nothing but a session."""
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def call(prompt: Prompt) -> None:
            body = {
                "model": "grok-4.3",
                "messages": [
                    {"role": "system", "content": prompt.system},
                    {"role": "user", "content": prompt.user},
                ],
                "max_tokens": _MAX_TOKENS,
                "temperature": _TEMPERATURE,
            }
            headers = {"Authorization": "Bearer key"}
            url = f"{address}/chat/completions"
            async with session.post(url, json=body, headers=headers) as response:
                reply = await response.json()
            assert reply["choices"][0]["message"]["content"]

        await run(call)


async def _worked_off(prompts: Iterator[Prompt], width: int, call: Call) -> None:
    async def work() -> None:
        for prompt in prompts:
            await call(prompt)

    async with asyncio.TaskGroup() as group:
        for _ in range(width):
            group.create_task(work())


def main() -> None:
    """Make the calls and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("client", choices=("openai", "aiohttp"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--width", type=int, required=True)
    parser.add_argument("--dataset-path", type=Path, required=True)
    args = parser.parse_args()
    problems = load_problems(args.dataset_path)
    prompts = (build_prompt(problems[n % len(problems)]) for n in range(args.calls))

    async def run(call: Call) -> None:
        await call(build_prompt(problems[0]))  # connect, and import what is imported late
        wall, cpu = time.perf_counter(), time.process_time()
        await _worked_off(prompts, args.width, call)
        taken = {
            "calls": args.calls,
            "wall_seconds": time.perf_counter() - wall,
            "cpu_seconds": time.process_time() - cpu,
        }
        print(json.dumps(taken))

    through = through_openai if args.client == "openai" else through_aiohttp
    asyncio.run(through(f"http://127.0.0.1:{args.port}/v1", run))


if __name__ == "__main__":
    main()
