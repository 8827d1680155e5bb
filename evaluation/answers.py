"""A session's answers as the judge needs them, one at a time, texts and all but no more."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from storage.files.jsonl_file import read_lines


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a record in <model>/<category>.jsonl that judging needs."""

    task_id: str
    model: str
    category: str
    extracted_solution: str
    llm_call_success: bool
    finish_reason: str = "stop"
    sample: int = 1


@dataclass(frozen=True, slots=True)
class AnswerFile:
    """One .jsonl file of answers; path: inside the session, as <model>/<category>.jsonl."""

    model: str
    category: str
    path: Path


_DECODER = msgspec.json.Decoder(Answer)


def decode_answer(content: bytes) -> Answer | None:
    """Return the answer of a line, None where it is damaged, blank, or a call that failed."""
    try:
        answer = _DECODER.decode(content) if content else None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return answer if answer is not None and answer.llm_call_success else None


def answers_in(file: AnswerFile) -> Iterator[Answer]:
    """Yield the answers of a file, one a task and sample; damage is passed over."""
    seen: set[tuple[str, int]] = set()
    for line in read_lines(file.path):
        answer = decode_answer(line.content)
        if answer is None:
            continue
        key = (answer.task_id, answer.sample)
        is_own = (answer.model, answer.category) == (file.model, file.category)
        if is_own and key not in seen:
            seen.add(key)
            yield answer


def answer_files(
    files: Mapping[str, Mapping[str, Path]], models: list[str], categories: list[str]
) -> list[AnswerFile]:
    """Return the files of these models and categories; empty lists take all.

    files: model -> category -> path.
    """
    return [
        AnswerFile(model, category, path)
        for model, by_category in files.items()
        for category, path in by_category.items()
        if (not models or model in models) and (not categories or category in categories)
    ]
