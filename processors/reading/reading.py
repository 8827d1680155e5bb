"""A reply -> code, verdict, and what an LLM would be shown of it: pure, nothing is asked or run."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from processors.extraction.code_candidates import Extraction, extract_code
from processors.extraction.verbatim import what_is_wrong
from processors.reply.cues import refuses
from processors.reply.pieces import names_of
from processors.reply.reply_text import read_answer
from processors.response_validator import ObjectKind, ResponseValidator
from processors.syntax.definitions import defines_anything
from processors.syntax.python_source import parse_python

ExtractionMode = Literal["auto", "agentic", "regex"]

_MAX_ASKED = 200_000  # characters of a reply that an LLM is shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A reply to read, and what it was asked for.

    is_cut: the provider says that it hit its length limit.
    mode: which replies an LLM is asked about; "regex": none.
    """

    text: str
    name: str | None
    kind: ObjectKind | None = None
    is_cut: bool = False
    mode: ExtractionMode = "regex"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a reply was found to hold.

    validation: the verdict on the code, as it stands in records.
    answer: what an LLM is to be shown, None where it need not be asked.
    """

    extraction: Extraction
    validation: Mapping[str, object]
    answer: str | None = None


def read_reply(reply: Reply) -> Reading:
    """Return what the rules find."""
    found = extract_code(reply.text, reply.name, truncated_reply=reply.is_cut)
    return Reading(
        extraction=found,
        validation=validation_of(found.code, reply),
        answer=_to_be_asked(reply, found),
    )


def check_copy(completion: str, reply: Reply, found: Extraction) -> Reading | str:
    """Return the reading of an LLM's copy of the reply's code, or what is wrong with the copy."""
    code = extract_code(completion, reply.name).code
    complaint = what_is_wrong(code, read_answer(reply.text).text, reply.name)
    if complaint is not None:
        return complaint
    start = reply.text.find(code)
    span = (start, start + len(code)) if start >= 0 else None
    copied = replace(found, code=code, method="llm", span=span)
    return Reading(extraction=copied, validation=validation_of(code, reply))


def validation_of(code: str, reply: Reply) -> Mapping[str, object]:
    """Return the verdict on some code as an object in JSON."""
    verdict = ResponseValidator().validate(code, reply.name, reply.kind)
    built: Any = msgspec.to_builtins(verdict)
    assert isinstance(built, dict), "a verdict is an object in JSON"
    return built


def _to_be_asked(reply: Reply, found: Extraction) -> str | None:
    if reply.mode == "regex" or len(reply.text) > _MAX_ASKED:
        return None
    is_found = _defines(found.code, reply.name)
    if is_found and (reply.mode == "auto" or _is_clean(reply.text, found)):
        return None
    answer = read_answer(reply.text).text
    if not answer.strip() or (not found.code and (found.truncated or refuses(answer))):
        return None
    return answer


def _defines(code: str, name: str | None) -> bool:
    tree = parse_python(code).tree
    if tree is None:
        return False
    return name in names_of(tree) if name is not None else defines_anything(tree)


def _is_clean(text: str, found: Extraction) -> bool:
    """Return whether the reply is nothing but the code, with or without a fence."""
    if found.span is None:
        return False
    around = text[: found.span[0]] + text[found.span[1] :]
    return not around.replace("```python", "").replace("```", "").strip()
