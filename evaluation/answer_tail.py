"""The answers of a session that a run is still writing: what is new since the last look."""

from collections.abc import Iterator
from pathlib import Path

from evaluation.answers import Answer, decode_answer
from storage.files.jsonl_file import read_lines
from storage.records.session_scan import session_files


class AnswerTail:
    """Each look goes on where the last one ended; a line counts once it has its end."""

    def __init__(self, session: Path) -> None:
        self._session = session
        self._read_until: dict[Path, int] = {}
        self._seen: set[tuple[str, str, int]] = set()

    def new_answers(self) -> Iterator[tuple[Answer, Path]]:
        """Yield each answer that was not seen yet, with its file; of doubled ones the first."""
        for path, size in session_files(self._session).items():
            if path.parent == self._session or size <= self._read_until.get(path, 0):
                continue
            for line in read_lines(path, self._read_until.get(path, 0)):
                if not line.is_whole:
                    break
                self._read_until[path] = line.offset + len(line.raw)
                answer = decode_answer(line.content)
                if answer is not None and self._is_new(answer):
                    yield answer, path

    def _is_new(self, answer: Answer) -> bool:
        key = (answer.model, answer.task_id, answer.sample)
        is_new = key not in self._seen
        self._seen.add(key)
        return is_new
