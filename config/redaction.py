"""Texts in, the same texts without the run's keys out; every line that is logged passes it."""

import html
import json
import logging
import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from urllib.parse import quote, unquote

MARK = "[key]"
# What local servers take as a key is no secret ("ollama", "EMPTY"), and may stand in an answer.
SHORTEST_SECRET = 16
_SHORTEST_PART = 12  # of a key that was cut; less than that is of no use to anyone
_LONGEST_LABEL = 16
_LONGEST_UNESCAPED = 200_000  # characters; in longer texts only the usual escapes are looked for
_LABEL = re.compile(rf"[a-z0-9]{{1,{_LONGEST_LABEL}}}[-_]", re.IGNORECASE)
_WORD = re.compile(r"[^\s\"'<>`]{12,}")
_ESCAPE = re.compile(r"%[0-9a-fA-F]{2}|&#?\w{1,31};|\\u[0-9a-fA-F]{4}|\\/")
_UNICODE_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


class Redactor:
    """Takes a run's keys out of texts, in time that grows with the text alone.

    A key is found as it is, escaped for JSON, URLs or HTML, and cut at either end as long as 12
    of its characters are left. "sk-ant-api03-" and the like, which all keys of a provider begin
    with, is no secret.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        secrets = sorted({key for key in keys if len(key) >= SHORTEST_SECRET})
        forms = list(dict.fromkeys(form for key in secrets for form in _written_forms(key)))
        self._beginnings = _by_anchor(forms, _beginning_length)
        self._ends = _by_anchor([form[::-1] for form in forms], lambda _: _SHORTEST_PART)

    def redact(self, text: str) -> str:
        """Return the text with a mark in each key's place."""
        text = self._covered(text)
        if self._ends and len(text) <= _LONGEST_UNESCAPED and _ESCAPE.search(text):
            return _WORD.sub(self._redact_escaped, text)
        return text

    def _covered(self, text: str) -> str:
        for anchor, forms in self._beginnings.items():
            if anchor in text:
                text = _cover(text, anchor, forms, MARK)
            for length in range(len(anchor) - 1, _SHORTEST_PART - 1, -1):
                if text.endswith(anchor[:length]):
                    text = text[:-length] + MARK
        for anchor, forms in self._ends.items():  # the same, read backwards
            if anchor[::-1] in text:
                text = _cover(text[::-1], anchor, forms, MARK[::-1])[::-1]
        return text

    def _redact_escaped(self, match: re.Match[str]) -> str:
        word = match[0]
        if not _ESCAPE.search(word):
            return word
        plain = _unescaped(word)
        if plain == word:
            return word
        redacted = self._covered(plain)
        return word if redacted == plain else redacted


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


def _by_anchor(forms: Iterable[str], length: Callable[[str], int]) -> dict[str, list[str]]:
    """Return forms by the characters that they begin with and are looked for by."""
    anchored: dict[str, list[str]] = {}
    for form in forms:
        anchored.setdefault(form[: length(form)], []).append(form)
    return anchored


def _beginning_length(form: str) -> int:
    """Return how much of a key's beginning tells it from others: some of it after its label."""
    secret_from = 0
    while label := _LABEL.match(form, secret_from, _LONGEST_LABEL):
        secret_from = label.end()
    return max(_SHORTEST_PART, secret_from + 4)


def _cover(text: str, anchor: str, forms: Sequence[str], mark: str) -> str:
    """Return the text with a mark for as much of the forms as follows each of their anchors."""
    pieces, done = [], 0
    start = text.find(anchor)
    while start >= 0:
        pieces += [text[done:start], mark]
        done = max(_end_of(text, start, len(anchor), form) for form in forms)
        start = text.find(anchor, done)
    return "".join([*pieces, text[done:]])


def _end_of(text: str, start: int, known: int, form: str) -> int:
    """Return where a form that begins at start, known so far, is left."""
    if text.startswith(form, start):
        return start + len(form)
    while known < len(form) and text[start + known : start + known + 1] == form[known]:
        known += 1
    return start + known


def _unescaped(word: str) -> str:
    """Return a word without the escapes of URLs, HTML and JSON, be they one in another."""
    for _ in range(3):
        plain = html.unescape(unquote(word)).replace("\\/", "/")
        plain = _UNICODE_ESCAPE.sub(lambda match: chr(int(match[1], 16)), plain)
        if plain == word:
            break
        word = plain
    return word
