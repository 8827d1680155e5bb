"""The answer's text -> its fenced blocks, and the prose between them, in one linear pass.

The rules are CommonMark's (https://spec.commonmark.org/0.31.2/#fenced-code-blocks);
test_extraction_fences.py holds this scanner against markdown-it-py. That is not used here because
a reply is not a CommonMark document: there a fence after <answer> or <details> is raw
HTML, one that is indented by four blanks is no fence, code that is indented less than its list
item ends the fence, and a ```python inside an open block without a label stays text.
"""

import re
from typing import NamedTuple

from processors.reply.reply_text import Line, split_lines

_FENCE_LINE = re.compile(
    r"^(?P<margin>[ \t]*+(?:(?:>|[-*+]|\d{1,9}[.)])[ \t]*+)*+)"
    r"(?P<marks>`{3,}+|~{3,}+)(?P<info>[^\n]*+)$"
    # "Here it is: ```python" opens a block for every reader but CommonMark.
    r"|^(?P<lead>[^`\n]++)(?P<late>`{3,}+)(?P<word>python3?|py)[ \t]*+$",
    re.M | re.I,
)
_PYTHON = re.compile(
    r"\A\s*+(?:[\[{(]\s*+)?(?:lang(?:uage)?[=:-]\s*+)?[\"'.]?"
    r"(?:python[\d.]*|py\d?|ipython\d?|sage)(?![\w+#-])"
    r"|\A\s*+[\w./-]*\.pyi?\b",
    re.I,
)
_CODE_IN_INFO = re.compile(r"\A\s*+(?:(?:async\s++)?def\s|class\s++\w|import\s|from\s++\w|@\w)")
_PLAIN = re.compile(
    r"\A\s*+(?:\Z|markdown|md|mdx|rst|text|txt|plain(?:text)?|html|xml)\s*+\Z", re.I
)
_WORD = re.compile(r"\A\s*+(?:python3?|py)(?=\s)", re.I)
_QUOTE = re.compile(r"[ \t]{0,3}>[ \t]?")


class Block(NamedTuple):
    """One fenced block; a tuple, since a hostile reply has 100,000 of them.

    label: its info string. starts_at, ends_at: its content in the text.
    opens_at, closes_at: the same with both fence lines.
    column: how far its opening fence is indented; quotes: inside how many quotation marks.
    is_closed: it has a closing fence of its own.
    """

    label: str
    starts_at: int
    ends_at: int
    opens_at: int
    closes_at: int
    column: int
    quotes: int
    marks: str
    is_closed: bool

    def ending_at(self, ends_at: int, closes_at: int, *, is_closed: bool = True) -> "Block":
        """Return the same block with another end."""
        return Block(
            self.label,
            self.starts_at,
            ends_at,
            self.opens_at,
            closes_at,
            self.column,
            self.quotes,
            self.marks,
            is_closed,
        )

    @property
    def is_python(self) -> bool:
        return _PYTHON.match(self.label) is not None or self.code_in_label != ""

    @property
    def is_plain(self) -> bool:
        """Return whether the label names no programming language."""
        return _PLAIN.match(self.label) is not None

    @property
    def code_in_label(self) -> str:
        """Return the code that stands on the opening fence's own line."""
        rest = self.label
        if word := _WORD.match(rest):
            rest = rest[word.end() :]
        return rest.strip() if _CODE_IN_INFO.match(rest) else ""


def find_blocks(text: str, start: int = 0) -> list[Block]:
    """Return the fenced blocks from a place on, in their order; none overlaps another."""
    blocks: list[Block] = []
    open_block: Block | None = None
    outer: Block | None = None  # holds blocks, so is none itself
    for match in _FENCE_LINE.finditer(text, start):
        if open_block is None:
            open_block = _opening(match)
        elif _closes(open_block, match):
            if open_block is outer:
                open_block = outer = None
                continue
            end = max(open_block.starts_at, match.start())
            blocks.append(open_block.ending_at(end, match.end()))
            open_block = outer
        elif _opens_inside(open_block, match):
            # The block around it was Markdown that shows a block, or a closing fence
            # whose opening one is missing.
            outer, open_block = open_block, _opening(match)
    if open_block is not None and open_block is not outer:
        last = open_block._replace(starts_at=min(open_block.starts_at, len(text)))
        blocks.append(last.ending_at(len(text), len(text), is_closed=False))
    return blocks


def _opening(match: re.Match[str]) -> Block | None:
    margin, marks, info = _parts(match)
    if "`" in marks and "`" in info:  # CommonMark: that is inline code
        return None
    return Block(
        label=info.strip(),
        starts_at=match.end() + 1,
        ends_at=match.end() + 1,
        opens_at=match.start() + (len(match["lead"]) if match["lead"] else 0),
        closes_at=match.end(),
        column=len(margin.replace(">", " ").expandtabs(4)) - 2 * margin.count(">"),
        quotes=margin.count(">"),
        marks=marks,
        is_closed=False,
    )


def _parts(match: re.Match[str]) -> tuple[str, str, str]:
    if match["lead"] is not None:
        return "", match["late"], match["word"]
    return match["margin"], match["marks"], match["info"]


def _closes(block: Block, match: re.Match[str]) -> bool:
    if match["lead"] is not None or not match["marks"].startswith(block.marks):
        return False
    margin = match["margin"]
    if match["info"].strip() or margin.strip("> \t"):
        return False
    indent = len(margin.rpartition(">")[2].expandtabs(4))
    return margin.count(">") == block.quotes and indent <= max(block.column, 0) + 3


def _opens_inside(block: Block, match: re.Match[str]) -> bool:
    return block.is_plain and _PYTHON.match(_parts(match)[2]) is not None


def block_lines(text: str, block: Block) -> list[Line]:
    """Return the block's lines without its margin."""
    lines = split_lines(text, block.starts_at, block.ends_at)
    if block.quotes:
        lines = [line.reading(_unquoted(line.text, block.quotes)) for line in lines]
    # Code that is indented less than its list item keeps what it has in common.
    first = next((line.text for line in lines if line.text.strip()), "")
    margin = min(block.column, _columns(first[: len(first) - len(first.lstrip())]))
    if margin > 0:
        lines = [line.reading(_without_margin(line.text, margin)) for line in lines]
    if code := block.code_in_label:
        start = text.index(code, block.opens_at)
        lines.insert(0, Line(code, start, start + len(code)))
    return lines


def _columns(blanks: str) -> int:
    return len(blanks.expandtabs(4))


def _unquoted(line: str, quotes: int) -> str:
    start = 0
    for _ in range(quotes):
        quote = _QUOTE.match(line, start)
        if quote is None:
            break
        start = quote.end()
    return line[start:]


def _without_margin(line: str, margin: int) -> str:
    taken = column = 0
    while column < margin and line[taken : taken + 1] in ("\t", " "):
        column += 4 - column % 4 if line[taken] == "\t" else 1
        taken += 1
    return line[taken:]


def prose_between(text: str, blocks: list[Block]) -> list[tuple[int, int]]:
    """Return the stretches of text before, between and after the blocks."""
    edges = [
        0,
        *(edge for block in blocks for edge in (block.opens_at, block.closes_at)),
        len(text),
    ]
    return [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end]
