"""All seven providers and a local server in one run from the command line: what goes where."""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from prompts.problems import Problem, load_problems
from prompts.prompt_template import build_prompt
from tests.support.command import ROOT, Finished, pointed_at, run
from tests.support.datasets import write_dataset
from tests.support.provider_formats import PREFIXES, Json, Provider
from tests.support.provider_server import ProviderServer, Request, retryable_faults
from tests.support.wire import key_of

# HumanEval's problems, where somebody keeps them in a folder beside the project,
HUMANEVAL = next(iter(sorted(ROOT.parent.glob("*/data/humaneval"))), None)
# and how many of them there are by what they return: 164.
SHAPE = {"float": 4, "integer": 34, "list": 67, "string": 49, "string_list": 10}
ORGANIZATION, PROJECT = "org-of-the-user", "proj-of-the-user"


@dataclass(frozen=True, slots=True)
class Asked:
    """One model of the run: how it is named, and how exactly it must be asked.

    parameters: the body but for the prompt.
    """

    provider: Provider
    name: str
    label: str
    path: str
    parameters: Mapping[str, Json]
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def key_header(self) -> tuple[str, str]:
        if self.provider == "google":
            return "x-goog-api-key", key_of("google")
        return "authorization", f"Bearer {key_of(self.provider)}"


def _plain(model: str) -> dict[str, Json]:
    return {"model": model, "max_tokens": 4096, "temperature": 0.2}


MODELS = [
    Asked(
        "openai",
        "gpt-4o",
        "gpt-4o",
        "/openai/v1/chat/completions",
        {"model": "gpt-4o", "max_completion_tokens": 4096, "temperature": 0.2},
        {"openai-organization": ORGANIZATION, "openai-project": PROJECT},
    ),
    Asked(
        "anthropic",
        "claude-haiku-4-5",
        "claude-haiku-4-5",
        "/anthropic/v1/messages",
        _plain("claude-haiku-4-5"),
        {"anthropic-version": "2023-06-01"},
    ),
    Asked(
        "google",
        "gemini-3.8-flash",
        "gemini-3.8-flash",
        "/google/v1/models/gemini-3.8-flash:generateContent",
        {"generationConfig": {"maxOutputTokens": 16384}},
    ),
    Asked(
        "xai",
        "grok-4.7",
        "grok-4.7",
        "/xai/v1/chat/completions",
        {"model": "grok-4.7", "max_tokens": 16384, "temperature": 0.2},
    ),
    Asked(
        "together",
        "llama-3.3-70b-instruct-turbo",
        "llama-3.3-70b-instruct-turbo",
        "/together/v1/chat/completions",
        _plain("meta-llama/Llama-3.3-70B-Instruct-Turbo"),
    ),
    Asked(
        "huggingface",
        "llama-3.3-70b-instruct-hf",
        "llama-3.3-70b-instruct-hf",
        "/huggingface/v1/chat/completions",
        _plain("meta-llama/Llama-3.3-70B-Instruct:novita"),
    ),
    Asked(
        "deepseek",
        "deepseek-flash-chat",
        "deepseek-flash-chat",
        "/deepseek/chat/completions",
        {**_plain("deepseek-flash"), "thinking": {"type": "disabled"}},
    ),
    Asked(
        "local",
        "local:llama3.2",
        "local-llama3.2",
        "/local/v1/chat/completions",
        _plain("llama3.2"),
    ),
]
# What a user's machine may hold for other programs: none of it is ours to send.
AMBIENT = {
    "OPENAI_ADMIN_KEY": "ambient-admin",
    "OPENAI_CUSTOM_HEADERS": "X-Ambient: ambient-header\nAuthorization: Bearer ambient-bearer",
    "OPENAI_API_BASE": "http://ambient.invalid/v1",
    "ANTHROPIC_AUTH_TOKEN": "ambient-token",
    "ANTHROPIC_CUSTOM_HEADERS": "X-Ambient: ambient-header",
    "GEMINI_API_KEY": "ambient-gemini",
    "GOOGLE_GEMINI_BASE_URL": "http://ambient.invalid",
    "HF_TOKEN": "ambient-token",
}


async def collect(server: ProviderServer, dataset: Path, out: Path, *flags: str) -> Finished:
    environment = {
        **pointed_at(server),
        "LOCAL_BASE_URL": server.url("local"),
        "LOCAL_API_KEY": key_of("local"),
        "OPENAI_ORG_ID": ORGANIZATION,
        "OPENAI_PROJECT_ID": PROJECT,
        **AMBIENT,
    }
    return await run(
        "run_collection.py",
        *("--models", *(model.name for model in MODELS)),
        *("--dataset-path", str(dataset), "--output-dir", str(out), *flags),
        environment=environment,
    )


def prompt_of(request: Request) -> str:
    """Return the user's text in a request, whatever its format."""
    body: Any = request.body
    if request.provider == "google":
        return str(body["contents"][0]["parts"][0]["text"])
    return str(body["messages"][-1]["content"])


def prompt_fields(problem: Problem, provider: Provider) -> dict[str, Json]:
    """Return the fields of a body that hold the prompt."""
    prompt = build_prompt(problem)
    asked: Json = {"role": "user", "content": prompt.user}
    if provider == "anthropic":
        return {"system": prompt.system, "messages": [asked]}
    if provider == "google":
        return {
            "systemInstruction": {"role": "user", "parts": [{"text": prompt.system}]},
            "contents": [{"role": "user", "parts": [{"text": prompt.user}]}],
        }
    return {"messages": [{"role": "system", "content": prompt.system}, asked]}


def check_requests(server: ProviderServer, problems: Sequence[Problem]) -> None:
    """Each request went to its own place, with its own key and parameters, and nothing else."""
    by_prompt = {build_prompt(problem).user: problem for problem in problems}
    by_provider = {model.provider: model for model in MODELS}
    for request in server.requests:
        model = by_provider[request.provider]
        problem = by_prompt[prompt_of(request)]
        assert (request.method, request.path) == ("POST", model.path)
        assert request.body == {**model.parameters, **prompt_fields(problem, model.provider)}
        headers = {name.lower(): value for name, value in request.headers.items()}
        name, value = model.key_header
        assert headers[name] == value
        assert headers.items() >= model.headers.items()
        whole = json.dumps([request.path, headers, request.body])
        others = [key_of(other) for other in PREFIXES if other != model.provider]
        assert not any(key in whole for key in others)
        assert whole.count(key_of(model.provider)) == 1
        assert "ambient" not in whole
        if model.provider != "openai":
            assert ORGANIZATION not in whole and PROJECT not in whole


def check_order(server: ProviderServer, problems: Sequence[Problem]) -> Counter[int]:
    """Each task was answered once, and not asked again after; return how often tasks were asked."""
    task_ids = {build_prompt(problem).user: problem.task_id for problem in problems}
    places: dict[tuple[Provider, str], list[int]] = defaultdict(list)
    for place, request in enumerate(server.requests):
        places[request.provider, task_ids[prompt_of(request)]].append(place)
    assert set(places) == {(model.provider, id_) for model in MODELS for id_ in task_ids.values()}
    answered = set(server.answered)
    for asked in places.values():
        assert [place for place in asked if place in answered] == asked[-1:]
    return Counter(map(len, places.values()))


def check_records(session: Path, problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """Every task's answer is on disk once, with what was really sent; return the records."""
    found = []
    for model in MODELS:
        files = sorted((session / model.label).glob("*.jsonl"))
        lines = [line for file in files for line in file.read_text("utf-8").splitlines()]
        records = [json.loads(line) for line in lines]
        assert Counter(record["task_id"] for record in records) == Counter(
            problem.task_id for problem in problems
        )
        for record in records:
            requested = record["requested_model"]
            # At Google the model's name is in the path; the record holds it all the same.
            assert record["parameters"] == {"model": requested, **model.parameters}
            assert record["model"] == model.label and record["finish_reason"] == "stop"
            assert record["served_model"] == requested and record["request_id"]
            assert record["validation"]["is_fully_valid"] is True
            assert record["usage"]["input_tokens"] > 0
        found += records
    assert not (session / "failures.jsonl").exists()
    return found


def shaped_dataset(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data", SHAPE)


async def check_clean_run(tmp_path: Path, dataset: Path) -> None:
    problems = load_problems(dataset)
    assert len(problems) * len(MODELS) == 1312
    async with ProviderServer() as server:
        finished = await collect(server, dataset, tmp_path / "out")
        assert finished.exit_code == 0, finished.output
        check_requests(server, problems)
        assert check_order(server, problems) == Counter({1: 1312})
    records = check_records(finished.session, problems)
    assert all(record["attempts"] == 1 for record in records)


async def check_faulty_run(tmp_path: Path, dataset: Path) -> None:
    problems = load_problems(dataset)
    async with ProviderServer(fault_rate=0.1, chance=random.Random(1), stalls=True) as server:
        finished = await collect(server, dataset, tmp_path / "out", "--request-timeout", "10")
        assert finished.exit_code == 0, finished.output
        check_requests(server, problems)
        asked = check_order(server, problems)
        faults = sum(server.faults.values())
        assert len(server.requests) == 1312 + faults
        assert 1312 * 0.07 < faults < 1312 * 0.15
        assert max(asked) > 1
        kinds = [len(retryable_faults(model.provider)) for model in MODELS]
        assert set(kinds) == {len(server.faults) - 1} and min(server.faults.values()) >= 3
    records = check_records(finished.session, problems)
    assert sum(record["attempts"] for record in records) == 1312 + faults


@pytest.mark.slow
async def test_eight_models_answer_164_problems(tmp_path: Path) -> None:
    await check_clean_run(tmp_path, shaped_dataset(tmp_path))


@pytest.mark.slow
async def test_ten_percent_faults_lose_no_answer_and_repeat_none(tmp_path: Path) -> None:
    await check_faulty_run(tmp_path, shaped_dataset(tmp_path))


@pytest.mark.slow
@pytest.mark.skipif(HUMANEVAL is None, reason="HumanEval is not beside the project")
@pytest.mark.parametrize("faulty", [False, True])
async def test_the_same_over_the_real_problems(tmp_path: Path, faulty: bool) -> None:
    assert HUMANEVAL
    await (check_faulty_run if faulty else check_clean_run)(tmp_path, HUMANEVAL)
