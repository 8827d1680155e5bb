"""A chat completions server in a process of its own, too cheap to be what a benchmark measures.

Run `python benchmarks/loopback_server.py [--median SECONDS --tail SECONDS --tail-share SHARE]`;
it prints its port, answers every POST, and ends when its standard input is closed. With
--per-minute it refuses what is more, as a bucket of one second does, and announces nothing. With
--hostile-every N each Nth reply is one that is hard to read.
"""

import argparse
import asyncio
import itertools
import json
import random
import re
import selectors
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_NAME = re.compile(rb"name it exactly `(\w+)`")
# Two thirds of a kilobyte, as a small model answers: prose, a block with an import and a helper.
ANSWER = '''Here is a solution that keeps the first of each group:

```python
from collections import OrderedDict


def _key(item):
    return item.lower() if isinstance(item, str) else item


def NAME(values, limit=None):
    """Return the values without repeats, in their order."""
    seen = OrderedDict()
    for value in values:
        key = _key(value)
        if key not in seen:
            seen[key] = value
        if limit is not None and len(seen) >= limit:
            break
    return list(seen.values())
```

`NAME` runs in linear time, and leaves its argument as it is.'''
_HOSTILE_KINDS = 50
_MESSAGE = {"role": "assistant", "content": ANSWER, "refusal": None}
_BODY = json.dumps(
    {
        "id": "chatcmpl-NUMBER",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "some-model",
        "choices": [{"index": 0, "message": _MESSAGE, "logprobs": None, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 612,
            "completion_tokens": 187,
            "total_tokens": 799,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }
).encode()


_TEXT = json.dumps(ANSWER).encode()
_REFUSAL_BODY = b'{"error": {"message": "Rate limit reached", "type": "rate_limit_exceeded"}}'


class _Bucket:
    """A limit on requests: full at the start, and again after a second without any."""

    def __init__(self, per_minute: float) -> None:
        self._per_second = per_minute / 60
        self._level = self._per_second
        self._at = time.monotonic()

    def takes(self) -> bool:
        """Return whether one more request is let in now."""
        now = time.monotonic()
        self._level = min(self._per_second, self._level + (now - self._at) * self._per_second)
        self._at = now
        if self._level < 1:
            return False
        self._level -= 1
        return True


class _Chat(asyncio.Protocol):
    """One connection: requests in, one answer each, in their order."""

    def __init__(
        self,
        delays: Iterator[float],
        numbers: Iterator[int],
        bucket: _Bucket | None,
        texts: Iterator[bytes | None],
    ) -> None:
        self._bucket = bucket
        self._texts = texts
        self._delays = delays
        self._numbers = numbers
        self._unread = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while (end := self._unread.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._unread, 0, end + 2)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._unread) < whole:
                return
            request, self._unread = self._unread[:whole], self._unread[whole:]
            self._answer(request)

    def _answer(self, request: bytes) -> None:
        assert self._transport is not None
        if self._bucket is not None and not self._bucket.takes():
            self._transport.write(_reply(b"429 Too Many Requests", _REFUSAL_BODY))
            return
        named = _NAME.search(request)
        text = next(self._texts)
        body = _BODY if text is None else _BODY.replace(_TEXT, text)
        body = body.replace(b"NAME", named[1] if named else b"solve")
        body = body.replace(b"NUMBER", b"%d" % next(self._numbers))
        reply = _reply(b"200 OK", body)
        delay = next(self._delays)
        if delay:
            asyncio.get_running_loop().call_later(delay, self._transport.write, reply)
        else:
            self._transport.write(reply)


def _reply(status: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(body)) + body


def tail_delays(
    median_seconds: float, tail_seconds: float, tail_share: float, seed: int
) -> Iterator[float]:
    """Yield latencies for ever: the median, or with the tail's share the tail."""
    chance = random.Random(seed)
    while True:
        yield tail_seconds if chance.random() < tail_share else median_seconds


def _hostile_texts(every: int | None) -> Iterator[bytes | None]:
    """Yield None for an ordinary reply, and every so many times a hostile one's text, as JSON."""
    if every is None:
        yield from itertools.repeat(None)
        return
    from benchmarks.hostile_replies import hostile_replies

    for text in itertools.cycle(hostile_replies(_HOSTILE_KINDS)):
        yield from itertools.repeat(None, every - 1)
        yield json.dumps(text).encode()


async def _serve(
    delays: Iterator[float], bucket: _Bucket | None, texts: Iterator[bytes | None]
) -> None:
    loop = asyncio.get_running_loop()
    numbers = itertools.count(1)
    server = await loop.create_server(
        lambda: _Chat(delays, numbers, bucket, texts), "127.0.0.1", 0, backlog=4096
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wide", action="store_true", help="more than 1,000 calls at once")
    parser.add_argument("--median", type=float, default=0.0, help="seconds most calls take")
    parser.add_argument("--tail", type=float, default=0.0, help="seconds the slow ones take")
    parser.add_argument("--tail-share", type=float, default=0.0, help="share of slow ones")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--per-minute", type=float, help="requests let in; default: all")
    parser.add_argument("--hostile-every", type=int, help="each Nth reply is hard to read")
    args = parser.parse_args()
    bucket = _Bucket(args.per_minute) if args.per_minute else None
    delays = tail_delays(args.median, args.tail, args.tail_share, args.seed)
    with asyncio.Runner(
        loop_factory=_exact_loop if args.median and not args.wide else None
    ) as runner:
        runner.run(_serve(delays, bucket, _hostile_texts(args.hostile_every)))


def _exact_loop() -> asyncio.AbstractEventLoop:
    """Return a loop whose timers are not up to a millisecond late, as with epoll they are."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


if __name__ == "__main__":
    main()
