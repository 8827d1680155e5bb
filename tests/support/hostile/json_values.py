"""Hostile JSON: deep, wide, of the wrong types, with numbers and usages that nobody can mean."""

import itertools
from collections.abc import Iterator, Mapping
from functools import partial

from tests.support.hostile.kinds import Call, Hostile, Step, body
from tests.support.hostile.raw_http import MIB, encode, reply
from tests.support.provider_formats import Json

Place = tuple[str | int, ...]
_MARK = "\ue000here"
DEEP = 100_000

# As they stand in the JSON, or in what claims to be JSON.
TOKENS: Mapping[str, bytes] = {
    "null": b"null",
    "true": b"true",
    "a list": b"[]",
    "a list of lists": b"[[[[1]]]]",
    "an object": b"{}",
    "a text": b'"many"',
    "a number": b"-1.5",
    "NaN": b"NaN",
    "-Infinity": b"-Infinity",
    "1e999": b"1e999",
    "10**30": b"1" + b"0" * 30,
    "5,000 digits": b"9" * 5000,
    "a deep list": b"[" * DEEP + b"]" * DEEP,
    "a text of 100 KB": b'"' + b"a" * 100_000 + b'"',
    "half a pair": b'"\\ud800"',
    "steering signs": b'"\\u001b[2J\\u0007\\u202e\\r"',
}
_COUNTS: Mapping[str, bytes] = {
    "a billion": b"1000000000",
    "a million": b"1000000",
    "-5": b"-5",
    "1.5": b"1.5",
    "'7'": b'"7"',
    "'many'": b'"many"',
    "10**30": b"1" + b"0" * 30,
    "1e308": b"1e308",
    "1e999": b"1e999",
    "-0.0": b"-0.0",
    "NaN": b"NaN",
    "true": b"true",
    "null": b"null",
    "a list": b"[1]",
    "an object": b"{}",
}
_USAGES: Mapping[str, bytes] = {
    "null": b"null",
    "a text": b'"none of your business"',
    "a list": b"[]",
    "an object": b"{}",
    "a number": b"7",
}


def _places(value: Json, at: Place = ()) -> Iterator[Place]:
    """Yield where every value stands, containers too."""
    if at:
        yield at
    inner: list[tuple[str | int, Json]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    for key, part in inner:
        yield from _places(part, (*at, key))


def _with_token(value: Json, at: Place, token: bytes) -> bytes:
    """Return the JSON with a token, as it is, in one place."""
    return encode(_replaced(value, at)).replace(encode(_MARK), token, 1)


def _replaced(value: Json, at: Place) -> Json:
    if not at:
        return _MARK
    first, rest = at[0], at[1:]
    if isinstance(value, dict):
        return {k: _replaced(v, rest) if k == first else v for k, v in value.items()}
    assert isinstance(value, list)
    return [_replaced(v, rest) if n == first else v for n, v in enumerate(value)]


def _fields() -> Iterator[Hostile]:
    """Yield each field of a good answer with a wrong value, two values a field."""

    def wrong(number: int, name: str, token: bytes) -> Hostile:
        def build(call: Call) -> bytes:
            good = call.good()
            places = list(_places(good))
            return _with_token(good, places[number % len(places)], token)

        return body(f"field {number} is {name}", build)

    tokens = list(TOKENS.items())
    for number in range(44):
        yield wrong(number, *tokens[number * 7 % len(tokens)])


def _usages() -> Iterator[Hostile]:
    """Yield good answers whose usage cannot be meant: the answers are to be kept."""
    for name, token in _COUNTS.items():
        yield _usage(f"counts are {name}", token, of_each_count=True)
    for name, token in _USAGES.items():
        yield _usage(f"the usage is {name}", token, of_each_count=False)


def _usage(name: str, token: bytes, *, of_each_count: bool) -> Hostile:
    def text(solution: str) -> str:
        return f"```python\ndef {solution}(value):\n    return value  # {name}\n```\n"

    def steps(call: Call) -> list[Step]:
        good = call.good(text(call.name))
        assert isinstance(good, dict)
        field = "usage" if "usage" in good else "usageMetadata"
        if not of_each_count:
            return [reply(_with_token(good, (field,), token))]
        counts = good[field]
        assert isinstance(counts, dict)
        good[field] = dict.fromkeys(counts, _MARK)
        return [reply(encode(good).replace(encode(_MARK), token))]

    return Hostile(name, steps, text=text, stays_open=True)


def _deep() -> Iterator[Hostile]:
    lists = b"[" * DEEP + b"]" * DEEP
    objects = b'{"a":' * DEEP + b"1" + b"}" * DEEP
    shapes = {"[": lists, "{": objects, "[ without an end": b"[" * DEEP, "[{": b'[{"a":' * DEEP}
    for (name, shape), status in itertools.product(shapes.items(), (200, 400, 429, 500)):
        yield body(f"{name} times {DEEP} with {status}", shape, status)
    for status in (200, 400, 500):
        yield body(
            f"a deep error with {status}",
            b'{"error": {"message": %s, "code": %s}}' % (lists, objects),
            status,
        )
    yield body("a deep field beside an answer", lambda call: _beside(call, lists))
    yield body("deep 900", lambda call: _beside(call, b"[" * 900 + b"]" * 900))


def _beside(call: Call, token: bytes) -> bytes:
    """Return a good answer with one field more, at its start."""
    return b'{"more": ' + token + b", " + call.good_bytes[1:]


def _wide() -> Iterator[Hostile]:
    keys = b"{" + b",".join(b'"k%d": %d' % (n, n) for n in range(100_000)) + b"}"
    yield body("100,000 keys", lambda call: _beside(call, keys))
    yield body("a key 100,000 times", lambda call: _beside(call, b"{%s}" % _same_keys()))
    yield body("a million numbers", lambda call: _beside(call, b"[" + b"1," * MIB + b"1]"))
    yield body("2 MB of escapes", lambda call: _beside(call, b'"' + b"\\u0000" * 350_000 + b'"'))
    for name in ("NaN", "1e999", "5,000 digits", "half a pair"):
        yield body(f"beside it {name}", partial(_beside, token=TOKENS[name]))
    yield body("every key twice", lambda call: call.good_bytes[:-1] + b", " + call.good_bytes[1:])
    yield body("a NUL in a text", lambda call: call.good_bytes.replace(b"def", b"d\0ef", 1))
    yield body("a byte that is no UTF-8", lambda call: call.good_bytes.replace(b"def", b"\xff", 1))
    for number in range(3):
        yield body(f"list {number} of 100,000", partial(_long, number=number))


def _same_keys() -> bytes:
    return b",".join([b'"choices": [[]]'] * 100_000)


def _long(call: Call, number: int) -> bytes:
    """Return a good answer in which one of its lists has 100,000 items."""
    good = call.good()
    lists = [at for at in _places(good) if isinstance(_value(good, at), list)] or [("more",)]
    at = lists[number % len(lists)]
    items = encode(_value(good, at))[1:-1] or b"{}"
    return _with_token(good, at, b"[" + b",".join([items] * (2 * MIB // len(items))) + b"]")


def _value(value: Json, at: Place) -> Json:
    for key in at:
        value = value[key]  # type: ignore[index]
    return value


def _errors() -> Iterator[Hostile]:
    """Yield errors whose words, codes and shapes are of the wrong kind."""
    shapes = {
        "true": b"true",
        "a list": b"[1, 2]",
        "a number": b"7",
        "a message that is a list": b'{"message": [[1]], "code": {}, "type": [], "status": true}',
        "a message of 100 KB": b'{"message": "%s"}' % (b"no " * 33_000),
        "a code of 100 KB": b'{"message": "no", "code": "%s"}' % (b"a_" * 50_000),
        "details of the wrong kind": b'{"message": "no", "details": [[], 1, null, {"reason": []}]}',
        "a code of 5,000 digits": b'{"message": "no", "code": %s}' % (b"5" * 5000),
        "half a pair": b'{"message": "\\ud800", "code": "\\udfff"}',
    }
    for (name, shape), status in itertools.product(shapes.items(), (200, 400, 500)):
        yield body(
            f"an error that is {name} with {status}",
            b'{"error": ' + shape + b"}",
            status,
        )
    for name, token in (("null", b"null"), ("a text", b'"no"'), ("NaN", b"NaN"), ("[]", b"[]")):
        for status in (200, 500):
            yield body(f"only {name} with {status}", token, status)


def hostile_json() -> list[Hostile]:
    """Return all of them."""
    return [*_deep(), *_wide(), *_errors(), *_fields()]


def hostile_usages() -> list[Hostile]:
    """Return good answers with usages that cannot be meant."""
    return list(_usages())
