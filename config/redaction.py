"""Texts in, the same texts without the run's keys out; every line that is logged passes it."""

import html
import json
import logging
import re
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, unquote

MARK = "[key]"
# What local servers take as a key is no secret ("ollama", "EMPTY"), and may stand in an answer.
SHORTEST_SECRET = 16
_SHORTEST_PART = 12  # of a key that was cut; less than that is of no use to anyone
_LONGEST_LABEL = 16
_LONGEST_UNESCAPED = 500_000  # characters; in longer texts only the usual escapes are looked for
_LABEL = re.compile(r"[a-z0-9]+[-_]", re.IGNORECASE)
_WORD = re.compile(r"[^\s\"'<>`]{12,}")
_UNICODE_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


class Redactor:
    """Takes a run's keys out of texts, in time that grows with the text alone.

    A key is found as it is, escaped for JSON, URLs or HTML, and cut at either end as long as 12
    of its characters are left. "sk-ant-api03-" and the like, which all keys of a provider begin
    with, is no secret.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        secrets = {key for key in keys if len(key) >= SHORTEST_SECRET}
        forms = {form for key in secrets for form in _written_forms(key)}
        self._needles = [_Needle.of(form) for form in sorted(forms, key=len, reverse=True)]

    def redact(self, text: str) -> str:
        """Return the text with a mark in each key's place."""
        for needle in self._needles:
            text = needle.cover(text)
        has_escapes = "%" in text or "&" in text or "\\" in text
        if self._needles and has_escapes and len(text) <= _LONGEST_UNESCAPED:
            return _WORD.sub(self._redact_escaped, text)
        return text

    def _redact_escaped(self, match: re.Match[str]) -> str:
        word = match[0]
        plain = _unescaped(word)
        if plain == word:
            return word
        redacted = plain
        for needle in self._needles:
            redacted = needle.cover(redacted)
        return word if redacted == plain else redacted


@dataclass(frozen=True, slots=True)
class _Needle:
    """One written form of a key. head, tail: what it is known by where it was cut."""

    form: str
    head: str
    tail: str

    @classmethod
    def of(cls, form: str) -> "_Needle":
        secret_from = 0
        while label := _LABEL.match(form, secret_from, _LONGEST_LABEL):
            secret_from = label.end()
        head = form[: max(_SHORTEST_PART, secret_from + 4)]
        return cls(form, head, form[-_SHORTEST_PART:])

    def cover(self, text: str) -> str:
        if self.head in text:
            text = _cover(text, self.form, len(self.head), MARK)
        if self.tail in text:
            mirrored = _cover(text[::-1], self.form[::-1], len(self.tail), MARK[::-1])
            text = mirrored[::-1]
        for length in range(len(self.head) - 1, _SHORTEST_PART - 1, -1):
            if text.endswith(self.form[:length]):
                return text[:-length] + MARK
        return text


def redact_logs(redactor: Redactor) -> None:
    """Let every record of every logger pass the redactor, those of libraries included."""
    current = logging.getLogRecordFactory()
    plain = current.plain if isinstance(current, _RedactedRecords) else current
    logging.setLogRecordFactory(_RedactedRecords(redactor, plain))


class _RedactedRecords:
    """A factory of log records whose texts hold no key."""

    def __init__(self, redactor: Redactor, plain: Callable[..., logging.LogRecord]) -> None:
        self.plain = plain
        self._redactor = redactor

    def __call__(self, *args: object, **kwargs: object) -> logging.LogRecord:
        record = self.plain(*args, **kwargs)
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - wrong arguments, which logging itself reports
            message = f"{record.msg} {record.args}"
        redacted = self._redactor.redact(message)
        if redacted != message:
            record.msg, record.args = redacted, None
        if record.exc_info and record.exc_info[0]:
            told = "".join(traceback.format_exception(*record.exc_info)).removesuffix("\n")
            redacted = self._redactor.redact(told)
            if redacted != told:
                record.exc_text = redacted
        return record


def _written_forms(key: str) -> Iterator[str]:
    """Yield a key as it may stand in a text of JSON, in a URL and in HTML."""
    yield key
    in_json = json.dumps(key)[1:-1]
    yield in_json
    yield in_json.replace("/", "\\/")
    for safe in ("", "/"):
        yield quote(key, safe=safe)
    yield html.escape(key)


def _cover(text: str, secret: str, shortest: int, mark: str) -> str:
    """Return the text with a mark for each beginning of a secret that is at least so long."""
    anchor = secret[:shortest]
    pieces, done = [], 0
    start = text.find(anchor)
    while start >= 0:
        pieces += [text[done:start], mark]
        done = start + _common_length(text[start : start + len(secret)], secret)
        start = text.find(anchor, done)
    return "".join([*pieces, text[done:]])


def _common_length(text: str, secret: str) -> int:
    pairs = zip(text, secret, strict=False)
    return next((length for length, (a, b) in enumerate(pairs) if a != b), len(text))


def _unescaped(word: str) -> str:
    """Return a word without the escapes of URLs, HTML and JSON, be they one in another."""
    for _ in range(3):
        plain = html.unescape(unquote(word)).replace("\\/", "/")
        plain = _UNICODE_ESCAPE.sub(lambda match: chr(int(match[1], 16)), plain)
        if plain == word:
            break
        word = plain
    return word
