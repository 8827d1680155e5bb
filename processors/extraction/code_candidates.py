"""Reply text -> code: pure, the same for the same reply, in time linear in its length."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from processors.extraction.choice import Choice, choose, fallback
from processors.reply.cues import refuses
from processors.reply.fenced import fence_pieces
from processors.reply.fences import prose_between
from processors.reply.pieces import Method, Piece
from processors.reply.reply_text import Answer, Line, read_answer
from processors.reply.statements import Parser, code_of, complete_statements, stops_in_mid_word
from processors.reply.unfenced import bare_pieces, inline_pieces, json_pieces, tag_pieces
from processors.syntax.definitions import is_stub
from processors.syntax.python_source import Parsed

EXTRACTION_VERSION = "3"  # raised whenever the result for some reply may change

# A reply's share of the parser, in characters and calls: it reads 1.2 MB a second, and all of a
# reply of 1 MB has to be done in less than one. A longer block is taken unread.
_PARSED_CHARACTERS = 300_000
_PARSED_PIECES = 4_000
_MAX_PROSE = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """What was taken out of one reply.

    code: lines of the reply, "" where it holds no answer in code; never completed or repaired.
    candidates: how many pieces of code were looked at.
    span: [start, end) of the code in the raw reply; None where it is not one piece of it.
    ambiguous: the reply offers different code for the same name, and no word that decides.
    truncated: the reply ends before it is finished.
    """

    code: str
    method: Method
    candidates: int
    span: tuple[int, int] | None
    ambiguous: bool
    truncated: bool


def extract_code(
    raw_response: str, expected_name: str | None = None, *, truncated_reply: bool = False
) -> Extraction:
    """Return the code that the reply answers with.

    truncated_reply: the provider says that the reply hit its length limit.
    """
    answer = read_answer(raw_response)
    found, seen, is_cut = _find(answer.text, expected_name, truncated_reply)
    truncated = truncated_reply or answer.is_cut or is_cut
    if found is None:
        return Extraction(
            code="", method="none", candidates=seen, span=None, ambiguous=False, truncated=truncated
        )
    return Extraction(
        code=code_of(found.lines),
        method=found.method,
        candidates=seen,
        span=_span(answer, found.lines),
        ambiguous=found.ambiguous,
        truncated=truncated,
    )


def _find(text: str, name: str | None, truncated: bool) -> tuple[Choice | None, int, bool]:
    """Return the choice, how many pieces there were, and whether the last of them is cut off."""
    parser = Parser(_PARSED_CHARACTERS, _PARSED_PIECES)
    blocks, fenced = fence_pieces(text, parser)
    fenced = _marked_where_cut([piece for piece in fenced if piece.lines], text, truncated)
    gaps = prose_between(text, blocks)
    stages: tuple[Callable[[], Iterable[Piece]], ...] = (
        lambda: fenced,
        lambda: json_pieces(text, parser),
        lambda: tag_pieces(text, parser),
        lambda: _marked_where_cut(list(bare_pieces(text, gaps, parser)), text, truncated),
        lambda: inline_pieces(text, name, parser) if name else (),
    )
    seen: list[Piece] = []

    def spare() -> list[Piece]:
        is_fenced = len(seen) == len(fenced)
        return list(bare_pieces(text, gaps, parser)) if is_fenced else fenced

    for stage in stages:
        pieces = [piece for piece in stage() if piece.lines]
        seen += pieces
        choice = choose(pieces, name, parser, text, spare)
        if choice is not None:
            is_cut = _is_cut(seen, text, parser)
            is_none = not choice.lines or (
                _is_stub(choice, name, parser) and refuses(_prose(text, gaps))
            )
            return None if is_none else choice, len(seen), is_cut
    is_cut = _is_cut(seen, text, parser)
    if refuses(_prose(text, gaps)):
        return None, len(seen), is_cut
    last = max(seen, key=lambda piece: piece.place[1], default=None)
    whole = [piece for piece in seen if not ((is_cut or truncated) and piece is last)]
    return fallback(whole, name), len(seen), is_cut


def _is_stub(choice: Choice, name: str | None, parser: Parser) -> bool:
    """Return whether the code is but a signature, as a reply that declines quotes it."""
    tree = parser.parse(code_of(choice.lines)).tree
    return tree is not None and name is not None and is_stub(tree, name)


def _marked_where_cut(pieces: list[Piece], text: str, truncated: bool) -> list[Piece]:
    """Return the pieces, the last as broken where the text stops inside one of its lines.

    A line that the length limit cut off often parses: `return html.st`.
    """
    last = max(pieces, key=lambda piece: piece.place[1], default=None)
    if last is None or not last.is_readable or not _is_open(last, text):
        return pieces
    ends_cut = truncated and not text.rstrip(" \t").endswith("\n")
    if not (ends_cut or stops_in_mid_word(last.tree)):
        return pieces
    broken = Parsed(tree=None, error="the reply ends inside a line", kind="broken")
    cut = replace(last, parsed=broken, names=frozenset(), ends_cut=ends_cut)
    return [cut if piece is last else piece for piece in pieces]


def _is_open(piece: Piece, text: str) -> bool:
    """Return whether the piece runs to the end of the text, and might have gone on."""
    return (piece.method == "bare" or not piece.is_closed) and not text[piece.place[1] :].strip()


def _is_cut(pieces: Sequence[Piece], text: str, parser: Parser) -> bool:
    """Return whether the text ends inside a statement of its last piece of code."""
    last = max(pieces, key=lambda piece: piece.place[1], default=None)
    if last is None or last.is_readable or last.parsed.kind == "too_large":
        return False
    return (
        _is_open(last, text)
        and complete_statements(last.lines, parser, ends_cut=last.ends_cut).is_cut
    )


def _prose(text: str, gaps: Sequence[tuple[int, int]]) -> str:
    return "\n".join(text[start:end] for start, end in gaps)[:_MAX_PROSE]


def _span(answer: Answer, lines: Sequence[Line]) -> tuple[int, int] | None:
    """Return where the code stands in the raw reply, if it stands there in one piece."""
    if any(line.start < 0 for line in lines):
        return None
    if any(b.start != a.end + 1 for a, b in pairwise(lines)):
        return None
    first, last = lines[0], lines[-1]
    start = max(first.start, answer.text.find(first.text, first.start, first.end))
    found = answer.text.find(last.text, last.start, last.end)
    end = found + len(last.text) if found >= 0 else last.end
    return answer.raw_place(start), answer.raw_place(end, is_end=True)
