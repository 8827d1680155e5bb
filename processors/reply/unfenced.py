"""Code that stands in an answer without a fence: in tags, in JSON, bare between prose, inline."""

import html
import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice

from processors.reply.pieces import Piece, read_piece
from processors.reply.reply_text import Line, split_lines
from processors.reply.statements import Parser, scan_line
from processors.syntax.definitions import is_stub

_TAG = re.compile(
    r"<(?P<end>/?)(?P<name>python|code|pre|answer|solution|final_answer|final|output|response"
    r"|result|tool_call|execute|script)\b[^<>\n]{0,200}>"
    r"|\[(?P<end2>/?)(?P<name2>PYTHON|code|ANSWER|SOLUTION)\b[^\[\]\n]{0,80}\]"
    r"|\\(?:begin|(?P<end3>end))\{(?P<name3>lstlisting|minted|verbatim|python)\}"
    r"(?:\[[^\]\n]{0,200}\])?(?:\{\w{1,20}\})?"
    r"|(?P<python><\|python_tag\|>)|(?P<cdata><!\[CDATA\[)|(?P<end4>\]\]>)",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|nbsp|#\d{1,6}|#x[0-9a-f]{1,6});", re.I)
_BOXED = re.compile(r"\\boxed\{(?:\\text(?:tt)?\{)?")
_INLINE = re.compile(r"(?<!`)(`{1,3})(?!`)([^`\n]+)\1(?!`)")
_INLINE_WORD = re.compile(r"(?:python3?|py)\s+")
# A possessive quantifier (`\s*+`) gives nothing back: what would be tried again could only fail.
_ANNOTATION = (
    r":(?:\s*+[\w.\[\],|]++(?: ++[\w.\[\],|]++)*+|[^\S ]*+ )"  # of a variable, in one line
)
_STARTS = re.compile(
    r"\A(?:(?:async\s++)?def\s++\w++\s*+[\[(]|class\s++\w++\s*+[\[(:]|@\w[\w.]*+(?:\(|\s*+$)"
    r"|import\s++\w[\w.]*+(?:\s++as\s++\w++)?(?:\s*+,\s*+\w[\w.]*+(?:\s++as\s++\w++)?)*+\s*+(?:#|$)"
    r"|from\s++[\w.]++\s++import\s++[\w*(]|if\s++__name__\b|try:\s*+$|>>>\s|In ?\[\d*+\]:"
    r"|(?:if|for|while|with|async\s++with|async\s++for)\b.*:\s*+(?:#|$)"
    rf"|[A-Za-z_]\w*+(?:\s*+{_ANNOTATION})?\s*+=(?!=)\s*+\S|type\s++\w++.*=)"
)
_GOES_ON = re.compile(
    r"\A(?:(?:else|elif|except|finally)\b.*:|[)\]}]|#|[\w.]++\(.*\)\s*+(?:#|$)|\.\.\.(?: |$)"
    r"|assert\s|[A-Za-z_][\w.]*+(?:\[[^\]]*+\])?\s*+(?:[-+*/|&^%]|//|\*\*)?=(?!=)\s*+\S"
    r"|(?:del|raise|print)\b)"
)
_DEFINES = re.compile(r"^[ \t>]*(?:>>> |In ?\[\d*\]: ?)?(?:async\s+)?(?:def|class)\s+\w", re.M)
_STARTS_ANYWHERE = re.compile(
    r"^[ \t>]*(?:>>> |In ?\[\d*\]: ?)?"
    r"(?:(?:async\s+)?def\s|class\s|import\s|from\s|@\w|\w+\s*(?::[^=\n]*)?=)",
    re.M,
)
_JSON_START = re.compile(r"^[ \t]*(?:[{\[](?=\s*[\"{\[])|\"(?=[^\n]*\\n))", re.M)
_CODE_KEY = re.compile(
    r"code|solution|answer|python|source|implementation|program|final|function|script", re.I
)
_MAX_JSON_DEPTH = 50
_MAX_PIECES = 2_000  # of a kind; the first ones count
_MAX_JSON_STARTS = 5


def tag_pieces(text: str, parser: Parser) -> Iterator[Piece]:
    """Yield what stands in tags that replies use for code."""
    for start, end, is_closed in [*islice(_tagged(text), _MAX_PIECES), *_boxed(text)]:
        lines, place = split_lines(text, start, end), (start, end)
        if _ENTITY.search(text, start, end):  # "a &lt; b" would parse, as a & lt; b
            unescaped = [line.reading(html.unescape(line.text)) for line in lines]
            piece = read_piece(unescaped, "tags", parser, place, rank=2, is_closed=is_closed)
            if piece.is_readable:
                yield piece
                continue
        yield read_piece(lines, "tags", parser, place, rank=2, is_closed=is_closed)


def _tagged(text: str) -> Iterator[tuple[int, int, bool]]:
    """Yield (start, end, whether it is closed) of each innermost tagged stretch."""
    opened: dict[str, int] = {}
    innermost = 0
    for match in _TAG.finditer(text):
        name = (match["name"] or match["name2"] or match["name3"] or "").lower()
        if match["python"] or match["cdata"]:
            opened["python_tag" if match["python"] else ""] = match.end()
        elif match["end"] or match["end2"] or match["end3"] or match["end4"]:
            start = opened.pop(name, -1)
            if start >= innermost and text[start : match.start()].strip():
                innermost = match.end()
                yield start, match.start(), True
        else:
            opened[name] = match.end()
    for name in ("python_tag", "python"):
        if opened.get(name, -1) >= innermost:
            yield opened[name], len(text), name == "python_tag"


def _boxed(text: str) -> Iterator[tuple[int, int, bool]]:
    openings = list(_BOXED.finditer(text))
    if openings:
        start = openings[-1].end()
        line_end = text.find("\n\n", start)
        end = text.rfind("}", start, line_end if line_end >= 0 else len(text))
        while end > start and text[end - 1] == "}" and openings[-1][0].count("{") > 1:
            end -= 1
            break
        if end > start:
            yield start, end, True


def json_pieces(text: str, parser: Parser) -> Iterator[Piece]:
    """Yield the strings of the JSON documents in the text that may be code."""
    for key, value, place in _json_strings(text):
        lines = [Line(line, -1, -1) for line in value.replace("\r\n", "\n").split("\n")]
        rank = 2 if _CODE_KEY.search(key) else 1
        yield read_piece(lines, "json", parser, place, rank=rank)


def _json_strings(text: str) -> Iterator[tuple[str, str, tuple[int, int]]]:
    decoder = json.JSONDecoder(strict=False)
    position = tries = 0
    while tries < _MAX_JSON_STARTS and (match := _JSON_START.search(text, position)):
        tries += 1
        try:
            document, end = decoder.raw_decode(text, match.end() - 1)
        except (ValueError, RecursionError):
            position = match.end()
            continue
        for key, value in _strings(document, "", 0):
            yield key, value, (match.start(), end)
        position = end


def _strings(document: object, key: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > _MAX_JSON_DEPTH:
        return
    match document:
        case str():
            if _DEFINES.search(document) or "=" in document:
                yield key, document
        case list():
            texts = [part for part in document if isinstance(part, str)]
            if texts and len(texts) == len(document):
                ends = "" if texts[0].endswith("\n") else "\n"  # a notebook's lines keep theirs
                yield from _strings(ends.join(texts), key, depth + 1)
                return
            for part in document:
                yield from _strings(part, key, depth + 1)
        case dict():
            for name, part in document.items():
                yield from _strings(part, str(name), depth + 1)
        case _:
            pass


def bare_pieces(text: str, gaps: Sequence[tuple[int, int]], parser: Parser) -> Iterator[Piece]:
    """Yield the runs of lines between prose that look like code."""
    for run in islice(_runs_between(text, gaps), _MAX_PIECES):
        while run[-1].text.lstrip().startswith("#") or not run[-1].text.strip():
            run.pop()
        yield read_piece(run, "bare", parser, (run[0].start, run[-1].end))


def _runs_between(text: str, gaps: Sequence[tuple[int, int]]) -> Iterator[list[Line]]:
    for start, end in gaps:
        if _STARTS_ANYWHERE.search(text, start, end):
            yield from _runs(split_lines(text, start, end))


def _runs(lines: list[Line]) -> Iterator[list[Line]]:
    run: list[Line] = []
    base, quote, depth = 0, "", 0
    for line in lines:
        text = line.text.strip()
        indent = len(line.text) - len(line.text.lstrip())
        is_start = _STARTS.match(text) is not None
        inside = quote or depth or not text or indent > base
        if run and not (inside or (indent == base and (is_start or _GOES_ON.match(text)))):
            yield run
            run, quote, depth = [], "", 0
        if not run and is_start:
            base = indent
        if run or is_start:
            run.append(line)
            quote, depth = scan_line(line.text, quote, depth)
    if run:
        yield run


def inline_pieces(text: str, name: str, parser: Parser) -> Iterator[Piece]:
    """Yield the inline code in which the name is defined."""
    for match in islice(_INLINE.finditer(text), _MAX_PIECES):
        start, end = match.span(2)
        if word := _INLINE_WORD.match(text, start, end):
            start = word.end()
        code = text[start:end].strip()
        if name in code and ("def " in code or "=" in code or "class " in code):
            start = text.index(code, start)
            lines = [Line(code, start, start + len(code))]
            piece = read_piece(lines, "inline", parser, match.span())
            if not (piece.is_readable and is_stub(piece.tree, name)):  # prose quotes a signature
                yield piece
