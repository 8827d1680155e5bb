"""An answer's fenced blocks -> pieces of code, also where the fences themselves went wrong."""

import ast
import re
from bisect import bisect_left
from functools import cached_property

from processors.reply.cues import REACH, goes_on, is_alternative
from processors.reply.fences import Block, block_lines, find_blocks
from processors.reply.pieces import Piece, read_piece
from processors.reply.reply_text import Line
from processors.reply.statements import Parser

_BARE_FENCE = re.compile(r"^[ \t]{0,12}(?:`{3,}|~{3,})[ \t]*$", re.M)
_MAX_OTHER_ENDS = 3
_MAX_RESCANS = 20
_MAX_BLOCKS = 2_000  # of a reply with more, the last ones


def fence_pieces(text: str, parser: Parser) -> tuple[list[Block], list[Piece]]:
    """Return the blocks and one piece for each; blocks that continue a class are one piece."""
    blocks = find_blocks(text)[-_MAX_BLOCKS:]
    ends = _Ends(text)
    pieces: list[Piece] = []
    number = rescans = 0
    while number < len(blocks):
        block = blocks[number]
        after = blocks[number - 1].closes_at if number else 0
        piece = _piece(text, block, block_lines(text, block), after, parser)
        if block.is_closed and not piece.is_readable and rescans < _MAX_RESCANS:
            longer = _longer(text, block, after, ends, parser)
            if longer is not None:
                rescans += 1
                block, piece = longer
                blocks = [*blocks[:number], block, *find_blocks(text, block.closes_at)]
        pieces.append(piece)
        number += 1
    return blocks, _continued(pieces, parser)


def _piece(text: str, block: Block, lines: list[Line], after: int, parser: Parser) -> Piece:
    rank = 2 if block.is_python else 1 if block.is_plain else 0
    before = text[max(after, block.opens_at - REACH) : block.opens_at]
    comments = "\n".join(line.text.lstrip("# ") for line in _opening_comments(lines))
    return read_piece(
        lines,
        "fence" if block.is_closed else "unclosed_fence",
        parser,
        (block.opens_at, block.closes_at),
        rank=rank,
        cue=f"{before}\n{comments}",
        is_closed=block.is_closed,
    )


def _opening_comments(lines: list[Line]) -> list[Line]:
    comments: list[Line] = []
    for line in lines[:3]:
        if not line.text.startswith("#"):
            break
        comments.append(line)
    return comments


class _Ends:
    """The fences of a text that may end a block; looked for once, when the first is asked for."""

    def __init__(self, text: str) -> None:
        self._text = text

    @cached_property
    def _spans(self) -> list[tuple[int, int]]:
        return [match.span() for match in _BARE_FENCE.finditer(self._text)]

    def behind(self, place: int) -> list[tuple[int, int]]:
        """Return the next few, as (start, end)."""
        first = bisect_left(self._spans, (place, 0))
        return self._spans[first : first + _MAX_OTHER_ENDS]


def _longer(
    text: str, block: Block, after: int, ends: _Ends, parser: Parser
) -> tuple[Block, Piece] | None:
    """Return the block that ends at a later fence, where its fence stood inside a string."""
    if not _ends_in_string(text[block.starts_at : block.ends_at]):
        return None
    for start, end in ends.behind(block.closes_at):
        if not parser.has_room(start - block.starts_at):  # so that the time stays linear
            break
        longer = block.ending_at(start, end)
        piece = _piece(text, longer, block_lines(text, longer), after, parser)
        if piece.is_readable and piece.method not in ("repl", "diff"):
            return longer, piece
    return None


def _ends_in_string(code: str) -> bool:
    return code.count('"""') % 2 == 1 or code.count("'''") % 2 == 1


def _continued(pieces: list[Piece], parser: Parser) -> list[Piece]:
    """Return the pieces, each with the indented ones that go on where it stopped.

    Only what stands deeper than the margin goes on with a class or a function; a method that
    is shown at the margin ("add this method") is left out, for nobody says where it belongs.
    """
    joined: list[Piece] = []
    for piece in pieces:
        before = joined[-1] if joined else None
        whole = _joined(before, piece, parser) if before is not None else None
        if whole is None:
            joined.append(piece)
        else:
            joined[-1] = whole
    return joined


def _joined(before: Piece, piece: Piece, parser: Parser) -> Piece | None:
    if not piece.lines or not before.lines or min(before.rank, piece.rank) < 1:
        return None
    if not piece.margin or not _is_open(before, piece.cue) or is_alternative(piece.cue):
        return None
    restored = [
        line.reading(piece.margin + line.text if line.text.strip() else line.text)
        for line in piece.lines
    ]
    if not parser.has_room(before.size + sum(len(line.text) + 1 for line in restored)):
        return None
    known = {line.text.strip() for line in before.lines}
    if all(line.text.strip() in known for line in piece.lines):  # shown again, to explain it
        return None
    whole = read_piece(
        [*before.lines, *restored],
        "joined_fences",
        parser,
        (before.place[0], piece.place[1]),
        rank=before.rank,
        cue=before.cue,
        is_closed=piece.is_closed,
    )
    return whole if whole.is_readable else None


def _is_open(piece: Piece, next_cue: str) -> bool:
    """Return whether the piece's last statement goes on: not after a function's return.

    Lines that are shown after a function are its next part only where the reply says so; else
    they are an excerpt, or another way to write it.
    """
    if not piece.is_readable:
        return True
    last = piece.tree.body[-1] if piece.tree.body else None
    if isinstance(last, ast.FunctionDef | ast.AsyncFunctionDef):
        return not isinstance(last.body[-1], ast.Return | ast.Raise) and goes_on(next_cue)
    return isinstance(last, ast.ClassDef)
