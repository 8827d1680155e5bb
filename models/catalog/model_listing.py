"""A provider's own list of its models: the only live truth about what is served."""

import asyncio
import difflib
import re
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import suppress
from functools import partial

import aiohttp
import msgspec

from config.errors import BadReply, ConfigError, TimedOut
from models.base_model import BaseModel
from models.wire.http_session import open_session
from models.wire.json_border import read_json
from models.wire.reply import Reply

DEADLINE_SECONDS = 60.0
MOST_PAGES = 50  # a list that goes on after that goes round in a circle
_LONGEST_ID = 200  # characters
_MOST_IDS = 50_000
_ROUTER_POLICIES = ("fastest", "cheapest", "preferred")  # in a host's place
_DATE_AT_END = re.compile(r"-\d{8}$")


class _Host(msgspec.Struct):
    provider: str
    status: str = "live"


class _Entry(msgspec.Struct):
    id: str
    lifecycle: str | None = None  # Anthropic: active, deprecated, retired
    aliases: list[str] | None = None  # xAI
    providers: list[_Host] | None = None  # Hugging Face's router


class _Page(msgspec.Struct):
    data: list[_Entry]
    has_more: bool | None = None
    last_id: str | None = None


class _GoogleEntry(msgspec.Struct, rename="camel"):
    name: str
    supported_generation_methods: list[str] | None = None


class _GooglePage(msgspec.Struct, rename="camel"):
    models: list[_GoogleEntry] = []
    next_page_token: str | None = None


async def listed_models(model: BaseModel) -> frozenset[str]:
    """Return the ids that a model's provider lists for its key, aliases included.

    Raises ConfigError where the model's class names no address, and a ModelError where the
    provider refuses or cannot be reached.
    """
    if not model.base_url:
        raise ConfigError(f"{model.config.provider}: no address to ask for its models")
    read_pages = {"anthropic": _anthropic_ids, "google": _google_ids}.get(
        model.config.provider, _other_ids
    )
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await _gathered(model, read_pages(model))
    except TimeoutError as error:
        raise TimedOut(
            f"{model.config.provider}: no model list in {DEADLINE_SECONDS:g} s"
        ) from error
    except Exception as error:  # noqa: BLE001 - the border of a list, as complete() is an answer's
        raise model.as_model_error(error) from None


def use_instead(model_id: str, replacement: str | None, listed: Collection[str]) -> str | None:
    """Return the id to use for one that is not listed: its replacement, or the nearest name."""
    if replacement in listed:
        return replacement
    nearest = difflib.get_close_matches(replacement or model_id, sorted(listed), n=1)
    return nearest[0] if nearest else None


async def _gathered(model: BaseModel, names: AsyncIterator[str]) -> frozenset[str]:
    """Return the names that can be ids; one that repeats a key is none."""
    gathered: set[str] = set()
    async for name in names:
        if len(name) <= _LONGEST_ID and model.redactor.redact(name) == name:
            gathered.add(name)
        if len(gathered) > _MOST_IDS:
            raise BadReply(f"{model.config.provider} lists more than {_MOST_IDS:,} models")
    return frozenset(gathered)


async def _other_ids(model: BaseModel) -> AsyncIterator[str]:
    content = await _get(model, "/models", _bearer(model))
    entries = content if isinstance(content, list) else msgspec.convert(content, _Page).data
    for entry in msgspec.convert(entries, list[_Entry]):
        for name in _names(entry):
            yield name


async def _anthropic_ids(model: BaseModel) -> AsyncIterator[str]:
    headers = {"x-api-key": model.api_key, "anthropic-version": "2023-06-01"}
    query = {"limit": "1000"}
    for _ in range(MOST_PAGES):
        page = msgspec.convert(await _get(model, "/v1/models", headers, query), _Page)
        for entry in page.data:
            if entry.lifecycle != "retired":
                yield entry.id
                yield _DATE_AT_END.sub("", entry.id)  # the same model's undated name
        if not page.has_more or not page.last_id:
            return
        query["after_id"] = page.last_id


async def _google_ids(model: BaseModel) -> AsyncIterator[str]:
    query = {"pageSize": "1000"}
    for _ in range(MOST_PAGES):
        content = await _get(model, "/v1/models", {"x-goog-api-key": model.api_key}, query)
        page = msgspec.convert(content, _GooglePage)
        for entry in page.models:
            methods = entry.supported_generation_methods
            if methods is None or "generateContent" in methods:
                yield entry.name.removeprefix("models/")
        if not page.next_page_token:
            return
        query["pageToken"] = page.next_page_token


def _names(entry: _Entry) -> Iterator[str]:
    """Yield the names by which one entry may be asked for."""
    live = [host.provider for host in entry.providers or () if host.status == "live"]
    policies = _ROUTER_POLICIES if live else ()
    yield from (f"{entry.id}:{host}" for host in (*live, *policies))
    if live or entry.providers is None:
        yield entry.id
        yield entry.id.removesuffix(":latest")  # Ollama
        yield from entry.aliases or ()


def _bearer(model: BaseModel) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {model.api_key}"} if model.api_key else {}
    if model.config.provider == "openai":
        if model.options.openai_organization:
            headers["OpenAI-Organization"] = model.options.openai_organization
        if model.options.openai_project:
            headers["OpenAI-Project"] = model.options.openai_project
    return headers


async def _get(
    model: BaseModel,
    path: str,
    headers: Mapping[str, str],
    query: Mapping[str, str] | None = None,
) -> object:
    identity = (aiohttp.ClientSession, model.base_url, model.api_key)
    session = await model.clients.get(identity, partial(open_session, model.base_url))
    url = f"{model.base_url}{path}"
    # A redirect would take the key to another host.
    request = session.get(url, headers=headers, params=query, allow_redirects=False)
    async with request as response:
        reply = Reply(response.status, response.headers, await response.read())
    if reply.status == 200:
        with suppress(ValueError):
            return read_json(reply.text)
    raise model.reply_error(reply)
