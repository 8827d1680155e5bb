"""Raw reply -> the text of the answer: no thinking, one kind of line end, offsets kept.

Everything that is not the answer is overwritten with blanks of the same length, so a place in
the answer is a place in the reply.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

# Terminal colours, and marks of byte order or of joining that nobody sees at a line's start.
_DELETED = re.compile(r"(?<!\r)\r++(?=\n)|\x1b\[[0-9;]*[A-Za-z]|\A\ufeff+|(?<=\n)[\ufeff\u200b]+")
_MAY_GO = re.compile("[\r\x1b\ufeff\u200b]")  # most replies hold none of these
_TAG = re.compile(
    r"(?P<open><(?:think|thinking|thought|thoughts|reasoning|scratchpad|seed:think)>"
    r"|<\|begin_of_thought\|>|\[THINK\]|\u25c1think\u25b7)"
    r"|(?P<close></(?:think|thinking|thought|thoughts|reasoning|scratchpad|seed:think)>"
    r"|<\|end_of_thought\|>|\[/THINK\]|\u25c1/think\u25b7)"
    r"|(?P<fence>^[ \t>]*(?:`{3,}+|~{3,}+)[^`<\[\n]*+$)",
    re.M | re.I,
)
_ANY_TAG = re.compile(r"</?(?:think|thought|reason|scratch|seed:)|<\||\[/?THINK\]|\u25c1", re.I)
_CHANNEL = re.compile(r"<\|channel\|>\s*+(\w++)[^<\n]*+<\|message\|>")
_TURN_END = re.compile(
    r"<\|(?:im_end|endoftext|eot_id|end_of_text|return|end_of_turn|END_OF_TURN_TOKEN)\|>"
    r"|<\uff5cend\u2581of\u2581sentence\uff5c>|<end_of_turn>|(?<=\S)</s>\s*$|\[/INST\]\s*\Z"
)
# A quotation mark or inline code, not a fence on the tag's own line.
_QUOTED_AT_END = re.compile(r"(?:[\"'\\]|(?<!`)`{1,2})\Z")
_QUOTED_AT_START = re.compile(r"[\"'\\]|`{1,2}(?!`)")
_TURN_START = re.compile(
    r"\A\s*+(?:<\|(?:im_start|start_header_id|start)\|>\s*+assistant\s*+(?:<\|end_header_id\|>)?"
    r"|<start_of_turn>model|<s>|assistant\n)\s*+"
)


class Line(NamedTuple):
    """One line of code, without its line end.

    text: as it stands in the code, after a list's or a quotation's margin was taken off.
    start, end: where the whole line stands in the answer's text.
    """

    text: str
    start: int
    end: int

    def reading(self, text: str) -> "Line":
        """Return the line with another text, at the same place."""
        return Line(text, self.start, self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The part of a reply that is meant for the user.

    text: the answer; what was thinking or protocol is blank there.
    starts, raw_starts: places in text, and the places in the raw reply that they stand for.
    is_cut: the reply ends inside its thinking.
    """

    text: str
    starts: tuple[int, ...]
    raw_starts: tuple[int, ...]
    is_cut: bool

    def raw_place(self, place: int, *, is_end: bool = False) -> int:
        """Return the place in the raw reply of a place in the text."""
        piece = bisect_right(self.starts, place - is_end) - 1
        return self.raw_starts[piece] + place - self.starts[piece]


def read_answer(raw_response: str) -> Answer:
    """Return what of the reply is answer."""
    kept, starts, raw_starts, length = [], [0], [0], 0
    position = 0
    for match in _DELETED.finditer(raw_response) if _MAY_GO.search(raw_response) else ():
        kept.append(raw_response[position : match.start()])
        length += match.start() - position
        position = match.end()
        if starts[-1] == length:
            raw_starts[-1] = position
        else:
            starts.append(length)
            raw_starts.append(position)
    kept.append(raw_response[position:])
    text = "".join(kept).replace("\r", "\n")
    text, is_cut = _without_thinking(_without_protocol(text))
    return Answer(text=text, starts=tuple(starts), raw_starts=tuple(raw_starts), is_cut=is_cut)


def _blank(text: str, spans: list[tuple[int, int]]) -> str:
    parts, position = [], 0
    for start, end in spans:
        parts += [text[position:start], " " * (end - start - 1), "\n"]
        position = end
    return "".join([*parts, text[position:]])


def _without_protocol(text: str) -> str:
    """Return the text without turn marks, and without the turns that a model made up after."""
    if "<" not in text and "[/INST]" not in text:
        return text
    channels = list(_CHANNEL.finditer(text))
    finals = [match for match in channels if match[1] == "final"]
    if finals:
        text = _blank(text, [(0, finals[-1].end())])
    elif channels and "analysis" in {match[1] for match in channels}:
        text = _blank(text, [(0, len(text))])
    if match := _TURN_START.match(text):
        text = _blank(text, [(0, match.end())])
    for match in _TURN_END.finditer(text):
        if text[: match.start()].strip():
            return text[: match.start()]
    return text


def _without_thinking(text: str) -> tuple[str, bool]:
    """Return the text with its thinking blanked, and whether the thinking never ends."""
    if not _ANY_TAG.search(text):
        return text, False
    thinking = _Thinking()
    for match in _TAG.finditer(text):
        if match["fence"] is not None:
            thinking.fence(match[0].strip(" \t>"))
        elif _stands_alone(text, match):
            (thinking.open if match["open"] else thinking.close)(match)
    is_cut = thinking.opened_at is not None
    if thinking.opened_at is not None:
        thinking.spans.append((thinking.opened_at, len(text)))
    return _blank(text, thinking.spans), is_cut


class _Thinking:
    """The stretches of thinking, found tag by tag.

    A tag inside a fence of the answer is code where its partner is in the same fence.
    """

    def __init__(self) -> None:
        self.spans: list[tuple[int, int]] = []
        self.opened_at: int | None = None
        self._fence = ""
        self._opened_in_fence = False

    def fence(self, marks: str) -> None:
        if self.opened_at is None:
            self._fence, self._opened_in_fence = _next_fence(self._fence, marks), False

    def open(self, tag: re.Match[str]) -> None:
        if self.opened_at is None and self._fence:
            self._opened_in_fence = True
        elif self.opened_at is None:
            self.opened_at = tag.start()

    def close(self, tag: re.Match[str]) -> None:
        if self.opened_at is not None:
            self.spans.append((self.opened_at, tag.end()))
            self.opened_at = None
        elif self._opened_in_fence:
            self._opened_in_fence = False
        else:  # nothing opened it: all that stands before it was thinking
            self._fence = ""
            self.spans = [(0, tag.end())]


def _next_fence(fence: str, marks: str) -> str:
    """Return the fence that is open after a fence line, "" where none is."""
    run = re.match(r"`+|~+", marks)
    assert run is not None
    if not fence:
        return run[0]
    closes = run[0].startswith(fence) and not marks[run.end() :].strip()
    return "" if closes else fence


def _stands_alone(text: str, tag: re.Match[str]) -> bool:
    """Return whether the tag is markup: at its line's start or end, and not quoted."""
    before = text[max(0, tag.start() - 200) : tag.start()].rpartition("\n")[2]
    after = text[tag.end() : tag.end() + 200].partition("\n")[0]
    if _QUOTED_AT_END.search(before[-3:]) or _QUOTED_AT_START.match(after):
        return False
    return not before.strip(" \t>*`~") or not after.strip()


def split_lines(text: str, start: int, end: int) -> list[Line]:
    """Return the lines of a stretch of the text, whole blank lines at its ends left out."""
    stretch = text[start:end]
    begin = start + len(stretch) - len(stretch.lstrip("\n"))
    texts = stretch.strip("\n").split("\n")
    starts = list(accumulate((len(text) + 1 for text in texts), initial=begin))
    return list(map(Line, texts, starts, (start - 1 for start in starts[1:])))
