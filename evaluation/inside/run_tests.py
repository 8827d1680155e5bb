"""One solution and its tests, in the process that was made for them and ends with them.

What is said on the verdict pipe is only as good as the solution: decoys tell whether to believe it.
So that no honest mistake breaks it, everything used here is captured before the solution runs.
Stands inside the sandbox: standard library only.
"""

import ast
import binascii
import errno
import io
import linecache
import os
import random
import reprlib
import sys
import time
from collections.abc import Callable
from types import ModuleType, TracebackType
from typing import NoReturn, TypedDict

TEST_FILE = "test.py"
SOLUTION_FILE = "solution.py"
# Our own, whatever a solution does to the module builtins.
_compile, _exec, _eval = compile, exec, eval
_TEXT_BYTES = 1000
_TAIL_BYTES = 2048
_DENIED = frozenset({errno.EPERM, errno.EACCES})


class ChildTest(TypedDict):
    """One test: ctx is run, then the assertion must be true, and the keywords be in the code."""

    ctx: str
    assertion: str
    keywords: list[str]


class ChildJob(TypedDict):
    """What the child is to run.

    token: begins each of its lines. share_names: tests see all names of the solution.
    """

    token: str
    code: str
    name: str
    share_names: bool
    tests: list[ChildTest]


class OutputTail(io.RawIOBase):
    """A file without end that keeps only the last bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.tail = b""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(memoryview(data))  # type: ignore[arg-type] # a buffer, as RawIOBase says
        self.tail = (self.tail + piece[-_TAIL_BYTES:])[-_TAIL_BYTES:]
        return len(piece)


Report = Callable[..., None]


class Prepared:
    """What every job needs and the zygote makes once, before there is a solution.

    builtins: the tests' own, which a solution's changes to the module do not reach.
    """

    def __init__(self) -> None:
        self.builtins = dict(vars(sys.modules["builtins"]))
        self.output = OutputTail()
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(self.output, 1), "utf-8", "backslashreplace", write_through=True
        )
        sys.stderr = sys.stdout


def run_job(job: ChildJob, verdict_pipe: int, prepared: Prepared) -> NoReturn:
    """Run the tests, report each, and end the process."""
    report = _reporter(job["token"].encode(), verdict_pipe)
    report(-1, b"ready")
    leave = os._exit
    tests = job["tests"]
    solution = _load(job, report)
    if solution is not None:
        for number, test in enumerate(tests):
            report(number, b"start")
            names: dict[str, object] = dict(vars(solution)) if job["share_names"] else {}
            names["__name__"] = "test"
            names["__builtins__"] = prepared.builtins
            names["func"] = names["cls"] = vars(solution)[job["name"]]
            report(number, *_run_test(test, names, job["code"]))
    report(len(tests), b"end", prepared.output.tail)
    leave(0)


def _reporter(token: bytes, pipe: int) -> Report:
    write, encode, now = os.write, binascii.b2a_base64, time.monotonic_ns

    def report(number: int, status: bytes, text: bytes = b"") -> None:
        write(pipe, b"%b %d %b %d %b" % (token, number, status, now() // 1000, encode(text)))

    return report


def _load(job: ChildJob, report: Report) -> ModuleType | None:
    """Return the solution as a module, its name not "__main__"; None, reported, where it fails."""
    code, name = job["code"], job["name"]
    random.seed(0)  # equal runs are equal
    module = ModuleType("solution")
    module.__file__ = SOLUTION_FILE
    sys.modules["solution"] = module
    lines = code.splitlines(keepends=True)
    linecache.cache[SOLUTION_FILE] = (len(code), None, lines, SOLUTION_FILE)
    try:
        _exec(_compile(code, SOLUTION_FILE, "exec", dont_inherit=True), vars(module))
        if name in vars(module):
            report(-1, b"loaded")
            return module
        report(-1, b"missing")
    except BaseException as error:  # noqa: BLE001 - whatever a solution raises
        status, text = _explain(error)
        report(-1, b"load_" + status, text)
    return None


def _run_test(test: ChildTest, names: dict[str, object], code: str) -> tuple[bytes, bytes]:
    try:
        if test["ctx"]:
            _exec(_compile(test["ctx"], TEST_FILE, "exec", dont_inherit=True), names)
        if not _eval(test["assertion"], names):
            return b"fail", _compared(names)
        missing = [word for word in test["keywords"] if not _uses(code, word)]
        return (b"fail", f"\0\0\0not used: {missing[0]}".encode()) if missing else (b"pass", b"")
    except BaseException as error:  # noqa: BLE001 - whatever a solution raises
        return _explain(error)


def _explain(error: BaseException) -> tuple[bytes, bytes]:
    """Return the status of an exception, and a text; building the text runs the solution's code."""
    kind = type(error)
    try:
        if issubclass(kind, MemoryError):
            return b"memory", b"\0\0\0MemoryError"
        if issubclass(kind, AssertionError):
            return b"fail", _compared_in(error.__traceback__)
        is_denied = isinstance(error, OSError) and error.errno in _DENIED
        text = f"{type.__dict__['__name__'].__get__(kind)}: {str(error)[:_TEXT_BYTES]}"
        text = f"{_line_of(error.__traceback__)}\0\0\0{text}"
        return (b"denied" if is_denied else b"error"), _cut(text)
    except BaseException:  # noqa: BLE001 - it raised again
        return b"error", b"\0\0\0an exception that cannot be shown"


def _compared(names: dict[str, object], line: int = 0) -> bytes:
    """Return the line in ctx, what came and what was expected, with zero bytes between."""
    if "_left_" not in names or "_right_" not in names:
        return f"{line or ''}\0\0\0".encode()
    short = reprlib.Repr()
    short.maxstring = short.maxother = short.maxlong = 300
    short.maxlist = short.maxtuple = short.maxdict = short.maxset = short.maxdeque = 20
    came, expected = (
        short.repr(names[side]).replace("\0", "\\0")[: _TEXT_BYTES // 3]
        for side in ("_left_", "_right_")
    )
    return _cut(f"{line or ''}\0{came}\0{expected}\0")


def _compared_in(trace: TracebackType | None) -> bytes:
    """Return the same for an assertion that failed inside ctx, from the frame where it stands."""
    innermost = None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == TEST_FILE:
            innermost = trace
        trace = trace.tb_next
    if innermost is None:
        return b"\0\0\0"
    return _compared(innermost.tb_frame.f_locals, innermost.tb_lineno)


def _line_of(trace: TracebackType | None) -> str:
    line = ""
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == TEST_FILE:
            line = str(trace.tb_lineno)
        trace = trace.tb_next
    return line


def _cut(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")[: 2 * _TEXT_BYTES]


def _uses(code: str, keyword: str) -> bool:
    """Return whether the code has a construct: "yield from", a call, an attribute, an import."""
    nodes = list(ast.walk(ast.parse(code)))
    wanted = keyword.strip()
    if wanted == "yield from":
        return any(isinstance(node, ast.YieldFrom) for node in nodes)
    for node in nodes:
        match node:
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                found = {alias.name for alias in aliases}
                found.add(getattr(node, "module", None) or "")
                if wanted in found:
                    return True
            case ast.Name(id=name) | ast.Attribute(attr=name) if name == wanted:
                return True
            case ast.Attribute() if ast.unparse(node) == wanted:
                return True
            case _:
                continue
    return any(type(node).__name__.lower() == wanted.replace(" ", "").lower() for node in nodes)
