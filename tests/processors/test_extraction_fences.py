"""The fence scanner finds what CommonMark finds, in documents that are CommonMark."""

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from processors.reply.fences import block_lines, find_blocks

MARKDOWN = MarkdownIt("commonmark").disable(["html_block", "code", "list", "blockquote"])
OPENERS = ["```", "```js", "~~~", "~~~~", "````", "````js", "``` js x", "  ```", "   ~~~"]
# A fence that is indented by four blanks opens a block for us, not for CommonMark.
OTHERS = ["", "text", "x = 1", "`` `", "```js ` x"]
LINES = st.lists(st.sampled_from(OPENERS + OTHERS), max_size=12)


def unindented(code: str) -> str:
    """Return the code without margins: ours depend on the first line, CommonMark's do not."""
    return "\n".join(line.strip() for line in code.strip().split("\n"))


def blocks_by_scanner(text: str) -> list[tuple[str, str]]:
    blocks = find_blocks(text)
    return [
        (block.label, unindented("\n".join(line.text for line in block_lines(text, block))))
        for block in blocks
    ]


def blocks_by_markdown_it(text: str) -> list[tuple[str, str]]:
    tokens = [token for token in MARKDOWN.parse(text) if token.type == "fence"]
    return [(token.info.strip(), unindented(token.content)) for token in tokens]


@settings(max_examples=400, deadline=None)
@given(LINES)
def test_like_markdown_it(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert blocks_by_scanner(text) == blocks_by_markdown_it(text)
