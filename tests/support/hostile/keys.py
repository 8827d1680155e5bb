"""Replies that repeat keys of the run, in every spelling that a key takes on its way."""

import hashlib
import html
import json
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from urllib.parse import quote

from tests.support.hostile.kinds import Call, Hostile, whole
from tests.support.hostile.raw_http import encode, reply
from tests.support.provider_formats import PREFIXES, Provider

_SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": lambda key: key,
    "in a URL": lambda key: quote(key, safe=""),
    "in HTML": html.escape,
    "in JSON": lambda key: json.dumps(key)[1:-1].replace("/", "\\/"),
    "cut at its end": lambda key: key[:-6],
    "cut at its start": lambda key: key[6:],
    "in capitals' bearer": lambda key: f"BEARER {key}",
}


def secret_of(provider: str) -> str:
    """Return the key that a run has for a provider: it is spelled otherwise in a URL or HTML."""
    return f"{provider}/k&y+{_middle(provider)}=="


def traces_of(provider: str) -> list[str]:
    """Return what no file and no output may hold: pieces of the key's middle."""
    middle = _middle(provider)
    return [middle[start : start + 12] for start in range(0, len(middle) - 11, 4)]


def _middle(provider: str) -> str:
    return hashlib.sha256(provider.encode()).hexdigest()[:28]


def hostile_keys() -> list[Hostile]:
    """Return all of them."""
    return list(_all())


def _all() -> Iterator[Hostile]:
    for spelling, spell in _SPELLINGS.items():
        for whose in ("its own", "another"):

            def said(call: Call, spell: Callable[[str], str] = spell, whose: str = whose) -> str:
                return spell(secret_of(call.wire.provider if whose == "its own" else _other(call)))

            yield from _replies(f"{whose} key {spelling}", said)


def _replies(name: str, said: Callable[[Call], str]) -> Iterator[Hostile]:
    def in_answer(call: Call) -> bytes:
        code = f"```python\ndef {call.name}(value):\n    return '{said(call)}'\n```\n"
        return reply(encode(call.good(code)))

    def refused(call: Call, status: int) -> bytes:
        words = f"Incorrect request: {said(call)} is not it"
        return reply(encode(call.error(status, words)), status)

    for status in (400, 500):
        yield whole(
            f"{name}, in an error {status}",
            partial(refused, status=status),
            stays_open=True,
        )
    yield whole(f"{name}, in an answer", in_answer, stays_open=True)
    yield whole(
        f"{name}, in a reason",
        lambda call: reply(b"{}", 500, reason=f"No {said(call)}"),
        stays_open=True,
    )
    yield whole(
        f"{name}, in headers",
        lambda call: reply(
            b"<title>no</title>",
            502,
            [("x-request-id", said(call)), ("request-id", said(call)), ("Location", said(call))],
            content_type="text/html",
        ),
        stays_open=True,
    )
    yield whole(
        f"{name}, in what is no HTTP",
        lambda call: b"HTTP/1.1 200 OK\r\n" + said(call).encode() + b"\r\n\r\n",
    )


def _other(call: Call) -> Provider:
    """Return another provider of the run."""
    others: list[Provider] = [name for name in PREFIXES if name != call.wire.provider]
    return others[zlib.crc32(call.task_id.encode()) % len(others)]
