"""Refusals that no wait mends: each closes its lane with one line, and a resume goes on there."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.command import Finished, pointed_at, run
from tests.support.datasets import write_dataset
from tests.support.provider_formats import FORMATS, Json, Provider
from tests.support.provider_server import Answer, ProviderServer
from tests.support.session_check import answers_in, failures_in
from tests.support.wire import key_of

TASKS = 3


def refusal(status: int, words: str, **fields: Json) -> Answer:
    """Return an error as OpenAI and most others write it."""
    error: Json = {"message": words, "type": None, "param": None, "code": None, **fields}
    return Answer(status=status, body={"error": error})


def anthropic(status: int, kind: str, words: str, code: str | None = None) -> Answer:
    details: dict[str, Json] = {"details": {"error_code": code}} if code else {}
    error: Json = {"type": kind, "message": words, **details}
    return Answer(status=status, body={"type": "error", "error": error, "request_id": "req_1"})


def google(status: int, kind: str, words: str, *details: Json) -> Answer:
    error: Json = {"code": status, "message": words, "status": kind, "details": list(details)}
    return Answer(status=status, body={"error": error})


def own(provider: Provider, status: int, words: str) -> Answer:
    return Answer(status=status, body=FORMATS[provider].error(status, words))


def plain(status: int, words: str) -> Answer:
    return Answer(status=status, body={"error": words})


TYPE = "type.googleapis.com/google.rpc."
DAILY: Json = {
    "@type": f"{TYPE}QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
}
SOON: Json = {"@type": f"{TYPE}RetryInfo", "retryDelay": "22s"}  # not to be believed with it
WRONG_KEY: Json = {"@type": f"{TYPE}ErrorInfo", "reason": "API_KEY_INVALID"}
_UNSUPPORTED = "The requested model is not supported by any provider you have enabled."
# Billing, quota, credentials, models: a lane each.
REFUSALS: Mapping[Provider, list[Answer]] = {
    "openai": [
        refusal(429, "no quota", type="insufficient_quota", code="insufficient_quota"),
        refusal(429, "no credit", code="credit_balance_exhausted"),
        refusal(429, "org limit", code="organization_spend_limit_exceeded"),
        refusal(429, "project limit", type="insufficient_quota"),
        refusal(401, "wrong key", code="invalid_api_key"),
        refusal(403, "no such country", code="unsupported_country_region_territory"),
        refusal(404, "no such model", code="model_not_found"),
    ],
    "anthropic": [
        anthropic(402, "billing_error", "please pay"),
        anthropic(400, "invalid_request_error", "Your spend limit reached its end"),
        anthropic(400, "invalid_request_error", "Your credit balance is too low"),
        anthropic(429, "rate_limit_error", "enough", "enforced_spend_limit_reached"),
        anthropic(429, "rate_limit_error", "all spent", "contract_spend_limit_reached"),
        anthropic(401, "authentication_error", "invalid x-api-key"),
        anthropic(404, "not_found_error", "model: claude-x"),
    ],
    "google": [
        google(429, "RESOURCE_EXHAUSTED", "the day's quota", DAILY, SOON),
        google(402, "PAYMENT_REQUIRED", "prepaid credits are used up"),
        google(400, "INVALID_ARGUMENT", "API key not valid.", WRONG_KEY),
        google(400, "FAILED_PRECONDITION", "User location is not supported"),
        google(403, "PERMISSION_DENIED", "no permission"),
        google(404, "NOT_FOUND", "models/x is not found"),
    ],
    "xai": [
        own("xai", 429, "Your team has either used all available credits"),
        own("xai", 403, "Your new team doesn't have any credits yet"),
        own("xai", 400, "Incorrect API key provided. You can get one at x.ai."),
        own("xai", 404, "The model grok-x does not exist"),
    ],
    "together": [
        refusal(402, "Credit limit exceeded", type="credit_limit"),
        refusal(401, "Invalid API key provided", code="invalid_api_key"),
        refusal(404, "Unable to access model x", code="model_not_available"),
        refusal(400, "Unable to access non-serverless model x"),
    ],
    "huggingface": [
        plain(402, "You have exceeded your monthly included credits for Inference Providers"),
        plain(401, "Invalid credentials in Authorization header"),
        plain(403, "Access to model x is restricted: this gated repo needs you to log in"),
        refusal(400, _UNSUPPORTED, code="model_not_supported"),
    ],
    "deepseek": [
        refusal(402, "Insufficient Balance", code="invalid_request_error"),
        refusal(401, "Authentication Fails (no such user)", code="invalid_request_error"),
        refusal(400, "Model Not Exist", code="invalid_request_error"),
    ],
}
MODELS: Mapping[Provider, list[str]] = {
    "openai": ["gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-5.5-pro", "gpt-5.4", "gpt-6-luna", "o3"],
    "anthropic": [f"claude-{name}" for name in ["haiku-4-5", "sonnet-4-6", "opus-4-8"]]
    + [f"claude-{name}-5-5" for name in ("sonnet", "opus", "haiku")]
    + ["claude-opus-5"],
    "google": [f"gemini-{name}" for name in ["3.8-flash", "3.7-flash", "4-argon", "2.5-flash-lite"]]
    + ["gemma-4-31b-it", "gemini-3.1-pro-preview"],
    "xai": ["grok-4.7", "grok-4.6", "grok-4.5", "grok-4.3"],
    "together": ["llama-3.3-70b-instruct-turbo", "gpt-oss-120b", "kimi-k3", "glm-5.3"],
    "huggingface": [
        *("llama-3.3-70b-instruct-hf", "llama-3.1-8b-instruct-hf"),
        *("llama-4-scout-hf", "llama-4-maverick-hf"),
    ],
    "deepseek": ["deepseek-flash", "deepseek-flash-chat", "deepseek-v4-pro"],
}


def words_of(answer: Answer) -> str:
    """Return the provider's own words in a refusal."""
    body = answer.body
    assert isinstance(body, dict)
    error = body["error"]
    words = error["message"] if isinstance(error, dict) else error
    return f"answered {answer.status}: {words}"


@pytest.mark.slow
@pytest.mark.parametrize("provider", REFUSALS)
async def test_the_lane_closes_its_tasks_wait_and_the_others_go_on(
    tmp_path: Path, provider: Provider
) -> None:
    refusals, names = REFUSALS[provider], MODELS[provider]
    assert len(refusals) == len(names)
    out = ("--output-dir", str(tmp_path / "out"))
    dataset = write_dataset(tmp_path / "data", {"sums": TASKS})
    async with ProviderServer() as server:
        environment = {**pointed_at(server, provider), "LOCAL_BASE_URL": server.url("local")}
        server.script(provider, *refusals)
        finished = await run(
            "run_collection.py",
            *("--models", *names, "local:llama3.2", "--dataset-path", str(dataset), *out),
            *("--max-concurrent", "1", "--extraction", "regex"),
            environment=environment,
        )
        assert finished.exit_code == 1, finished.output
        assert len(server.sent_to(provider)) == len(names), "one call a lane, and no second"
        assert len(server.sent_to("local")) == TASKS, "the other lane goes on"
        closings = [line for line in finished.stdout.splitlines() if ": stopped early: " in line]
        assert len(closings) == len(names)
        for answer in refusals:
            assert sum(words_of(answer) in line for line in closings) == 1
        assert finished.stderr == ""
        session = finished.session
        assert not (session / "failures.jsonl").exists(), "no task is failed"
        progress = json.loads((session / "progress.json").read_text())
        assert progress["status"] == "in_progress"
        assert progress["current_progress"]["completed_tasks"] == TASKS

        resumed = await run("resume_collection.py", session.name, *out, environment=environment)
        assert resumed.exit_code == 0, resumed.output
        assert len(server.sent_to(provider)) == len(names) * (1 + TASKS)
        assert len(server.sent_to("local")) == TASKS
    assert key_of(provider) not in finished.output + resumed.output


PAGE = "<html><head><title>Just a moment...</title></head></html>"
WALL = Answer(status=403, body=PAGE, content_type="text/html")


async def collect_locally(
    tmp_path: Path, *answers: Answer, tasks: int = 4
) -> tuple[Finished, ProviderServer]:
    """Return what came of a run that gets these answers, one after the other, then good ones."""
    dataset = write_dataset(tmp_path / "data", {"sums": tasks})
    async with ProviderServer() as server:
        server.script("local", *answers)
        finished = await run(
            "run_collection.py",
            *("--models", "local:llama3.2", "--dataset-path", str(dataset)),
            *("--output-dir", str(tmp_path / "out"), "--max-concurrent", "1"),
            environment={"LOCAL_BASE_URL": server.url("local")},
        )
    return finished, server


@pytest.mark.slow
async def test_one_refusal_among_answers_closes_no_lane(tmp_path: Path) -> None:
    finished, server = await collect_locally(tmp_path, Answer(), WALL)
    assert finished.exit_code == 0, finished.output
    assert len(server.requests) == 5


@pytest.mark.slow
async def test_a_task_that_is_always_refused_fails_alone(tmp_path: Path) -> None:
    finished, server = await collect_locally(tmp_path, Answer(), WALL, WALL)
    assert finished.exit_code == 1, finished.output
    assert len(server.requests) == 5
    assert len(answers_in(finished.session)) == 3
    assert [failure["error"] for failure in failures_in(finished.session).values()] == [
        "AuthFailed"
    ]


@pytest.mark.slow
async def test_three_tasks_refused_in_a_row_close_a_lane(tmp_path: Path) -> None:
    finished, server = await collect_locally(tmp_path, Answer(), *[WALL] * 5)
    assert finished.exit_code == 1, finished.output
    assert ": stopped early: " in finished.stdout
    assert len(server.requests) == 6
    assert len(answers_in(finished.session)) == 1
