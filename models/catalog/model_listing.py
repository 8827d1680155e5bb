"""A provider's own list of its models: the only live truth about what is served."""

import asyncio
import difflib
import re
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class ModelListing:
    """What a provider lists for a key.

    ids: as they are listed. names: by which these models may be asked for, aliases included.
    takes_any_name: the server has one model, and answers whatever name is asked for.
    """

    ids: frozenset[str]
    names: frozenset[str]
    takes_any_name: bool = False

    def nearest(self, name: str, most: int = 5) -> str:
        """Return the listed ids in words, those most like the name first."""
        near = difflib.get_close_matches(name, sorted(self.ids), n=most, cutoff=0.0)
        more = len(self.ids) - len(near)
        return ", ".join(near) + (f" and {more} more" if more else "") or "nothing"


class _Host(msgspec.Struct):
    provider: str
    status: str = "live"


class _Entry(msgspec.Struct):
    id: str
    lifecycle: str | None = None  # Anthropic: active, deprecated, retired
    aliases: list[str] | None = None  # xAI
    providers: list[_Host] | None = None  # Hugging Face's router
    owned_by: str | None = None
    status: object = None  # llama.cpp as a router of several models


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


async def listed_models(model: BaseModel) -> ModelListing:
    """Return what a model's provider lists for its key.

    Raises ConfigError where the model's class names no address, and a ModelError where the
    provider refuses or cannot be reached.
    """
    if not model.base_url:
        raise ConfigError(f"{model.config.provider}: no address to ask for its models")
    read_pages = {"anthropic": _anthropic_entries, "google": _google_entries}.get(
        model.config.provider, _other_entries
    )
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            entries = [entry async for entry in _plausible(model, read_pages(model))]
    except TimeoutError as error:
        raise TimedOut(
            f"{model.config.provider}: no model list in {DEADLINE_SECONDS:g} s"
        ) from error
    except Exception as error:  # noqa: BLE001 - the border of a list, as complete() is an answer's
        raise model.as_model_error(error) from None
    return ModelListing(
        ids=frozenset(entry.id for entry in entries),
        names=frozenset(name for entry in entries for name in _names(entry)),
        takes_any_name=len(entries) == 1 and _is_sole_llama(entries[0]),
    )


def use_instead(model_id: str, replacement: str | None, listed: Collection[str]) -> str | None:
    """Return the id to use for one that is not listed: its replacement, or the nearest name."""
    if replacement in listed:
        return replacement
    nearest = difflib.get_close_matches(replacement or model_id, sorted(listed), n=1)
    return nearest[0] if nearest else None


async def _plausible(model: BaseModel, entries: AsyncIterator[_Entry]) -> AsyncIterator[_Entry]:
    """Yield the entries whose names can be ids; one that repeats a key is none."""
    count = 0
    async for entry in entries:
        if all(len(n) <= _LONGEST_ID and model.redactor.redact(n) == n for n in _names(entry)):
            count += 1
            yield entry
        if count > _MOST_IDS:
            raise BadReply(f"{model.config.provider} lists more than {_MOST_IDS:,} models")


async def _other_entries(model: BaseModel) -> AsyncIterator[_Entry]:
    content = await _get(model, "/models", _bearer(model))
    entries = content if isinstance(content, list) else msgspec.convert(content, _Page).data
    for entry in msgspec.convert(entries, list[_Entry]):
        yield entry


async def _anthropic_entries(model: BaseModel) -> AsyncIterator[_Entry]:
    headers = {"x-api-key": model.api_key, "anthropic-version": "2023-06-01"}
    query = {"limit": "1000"}
    for _ in range(MOST_PAGES):
        page = msgspec.convert(await _get(model, "/v1/models", headers, query), _Page)
        for entry in page.data:
            if entry.lifecycle != "retired":
                undated = _DATE_AT_END.sub("", entry.id)  # the same model's other name
                yield _Entry(id=entry.id, aliases=[undated])
        if not page.has_more or not page.last_id:
            return
        query["after_id"] = page.last_id


async def _google_entries(model: BaseModel) -> AsyncIterator[_Entry]:
    query = {"pageSize": "1000"}
    for _ in range(MOST_PAGES):
        content = await _get(model, "/v1/models", {"x-goog-api-key": model.api_key}, query)
        page = msgspec.convert(content, _GooglePage)
        for entry in page.models:
            methods = entry.supported_generation_methods
            if methods is None or "generateContent" in methods:
                yield _Entry(id=entry.name.removeprefix("models/"))
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


def _is_sole_llama(entry: _Entry) -> bool:
    """Return whether this is llama.cpp with one model, which looks at no name."""
    return entry.owned_by == "llamacpp" and entry.status is None


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
