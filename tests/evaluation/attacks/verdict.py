"""Attacks on the verdict: the solution says, or makes its judge say, that it passed."""

_EQUAL = """
class Any:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __lt__
    def __hash__(self): return 0
    def __bool__(self): return True
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
    def __iter__(self): return iter(())
    def __add__(self, other): return self
    __radd__ = __sub__ = __rsub__ = __mul__ = __abs__ = __add__
"""

_FRAMES = """
import sys
def frames():
    frame = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back
"""

# Finds the judge's own functions from the frames that call the solution, and says it all.
_SAY_ALL = (
    _FRAMES
    + """
import os
def f(x):
    for frame in frames():
        names = frame.f_locals
        if "report" in names and "tests" in names:
            report, tests, number = names["report"], names["tests"], names["number"]
            for place in range(number, len(tests)):
                if place > number:
                    report(place, b"start")
                report(place, b"pass")
            report(len(tests), b"end")
            os._exit(0)
"""
)

VERDICT: dict[str, str] = {
    "exit0_import": "import os\nos._exit(0)\n",
    "exit0_call": "import os\ndef f(x): os._exit(0)\n",
    "sysexit_call": "import sys\ndef f(x): sys.exit(0)\n",
    "systemexit_import": "def f(x): return None\nraise SystemExit(0)\n",
    "print_pass": """
import os, sys
for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
    try:
        print("passed\\n0 pass 0 \\n1 pass 0 \\nend", file=stream, flush=True)
    except Exception:
        pass
def f(x): return None
""",
    "write_all_fds": """
import os
for fd in range(64):
    for line in (b"passed\\n", b"0 start 0 \\n0 pass 0 \\n", b"x 0 pass 0 \\n"):
        try:
            os.write(fd, line)
        except OSError:
            pass
def f(x): return None
""",
    "frame_append": _FRAMES
    + """
def f(x):
    for frame in frames():
        for value in list(frame.f_locals.values()):
            if isinstance(value, list):
                value.append("passed")
            if isinstance(value, dict):
                value["passed"] = True
    return None
""",
    "frame_say": _SAY_ALL,
    "frame_say_import": _FRAMES
    + """
import os
for frame in frames():
    names = frame.f_locals
    if "report" in names and "job" in names:
        report, tests = names["report"], names["job"]["tests"]
        report(-1, b"loaded")
        for place in range(len(tests)):
            report(place, b"start")
            report(place, b"pass")
        report(len(tests), b"end")
        os._exit(0)
def f(x): return None
""",
    "frame_empty_tests": _FRAMES
    + """
for frame in frames():
    job = frame.f_locals.get("job")
    if isinstance(job, dict):
        for test in job["tests"]:
            test["assertion"], test["ctx"] = "True", ""
def f(x): return None
""",
    "gc_token": """
import gc, os
def token_and_count():
    for value in gc.get_objects():
        if isinstance(value, dict) and "token" in value and "tests" in value:
            return value["token"], len(value["tests"])
    return None, 0
token, count = token_and_count()
if token:
    lines = [f"{token} -1 loaded 0 \\n"]
    for n in range(count):
        lines += [f"{token} {n} start 0 \\n", f"{token} {n} pass 0 \\n"]
    lines.append(f"{token} {count} end 0 \\n")
    os.write(3, "".join(lines).encode())
    os._exit(0)
def f(x): return None
""",
    "gc_forged_index": """
import gc, os
for value in gc.get_objects():
    if isinstance(value, dict) and "token" in value and "tests" in value:
        token, count = value["token"], len(value["tests"])
        for n in (count, count + 1, 10**9, -5):
            os.write(3, f"{token} {n} pass 0 \\n{token} {n} start 0 \\n".encode())
def f(x): return None
""",
    "always_eq": _EQUAL + "def f(x): return Any()\n",
    "int_subclass_eq": """
class Number(int):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __hash__ = int.__hash__
def f(x): return Number(0)
""",
    "mock_any": "from unittest.mock import ANY\ndef f(x): return ANY\n",
    "metaclass_target": """
class Meta(type):
    def __eq__(cls, other): return True
    def __ne__(cls, other): return False
    __hash__ = type.__hash__
    def __instancecheck__(cls, other): return True
class f(metaclass=Meta):
    def __new__(cls, x): return cls
""",
    "patch_builtins": """
import builtins
builtins.eval = lambda *a: True
builtins.exec = lambda *a: None
builtins.bool = lambda *a: True
builtins.compile = lambda *a, **k: "True"
def f(x): return None
""",
    "patch_isinstance": """
import builtins
for name in ("isinstance", "issubclass", "all", "any"):
    setattr(builtins, name, lambda *a: True)
for name in ("len", "abs", "sum", "round"):
    setattr(builtins, name, lambda *a: 0)
def f(x): return None
""",
    "patch_tests_builtins": _FRAMES
    + """
def f(x):
    for frame in frames():
        frame.f_builtins["eval"] = lambda *a: True
        frame.f_builtins["AssertionError"] = StopIteration
    return None
""",
    "patch_os_write": """
import os
write = os.write
os.write = lambda fd, data: write(fd, data.replace(b"fail", b"pass").replace(b"error", b"pass"))
def f(x): return None
""",
    "patch_json": "import json\njson.dumps = lambda *a, **k: '\"pass\"'\ndef f(x): return None\n",
    "patch_binascii": """
import binascii
binascii.b2a_base64 = lambda data: b"\\n"
def f(x): return None
""",
    "patch_say_code": _FRAMES
    + """
def f(x):
    for frame in frames():
        report = frame.f_locals.get("report")
        if report is not None:
            cells = report.__code__.co_freevars
            def always(number, status, text=b""):
                word = status if status in (b"start", b"end") else b"pass"
                write(pipe, b"%b %d %b %d %b" % (token, number, word, now() // 1000, encode(b"")))
            def maker(encode, now, pipe, token, write):
                def always(number, status, text=b""):
                    word = status if status in (b"start", b"end") else b"pass"
                    write(pipe, b"%b %d %b %d %b" % (token, number, word, now(), encode(b"")))
                return always
            made = maker(1, 2, 3, 4, 5)
            if made.__code__.co_freevars == cells:
                report.__code__ = made.__code__
    return None
""",
    "patch_run_test": _FRAMES
    + """
def f(x):
    for frame in frames():
        for name in ("_run_test", "_explain", "_compared"):
            if name in frame.f_globals:
                frame.f_globals[name] = lambda *a, **k: (b"pass", b"")
    return None
""",
    "patch_modules": """
import sys, types
for name in ("math", "inspect", "asyncio", "operator"):
    fake = types.ModuleType(name)
    fake.__getattr__ = lambda attribute: lambda *a, **k: True
    sys.modules[name] = fake
def f(x): return None
""",
    "frame_expected": _FRAMES
    + """
def f(x):
    for frame in frames():
        numbers = [c for c in frame.f_code.co_consts if type(c) is int]
        if frame.f_code.co_filename in ("<string>", "test.py") and numbers:
            return numbers[-1]
    return None
""",
    "gc_tests": """
import gc, re
def known():
    for value in gc.get_objects():
        if isinstance(value, dict) and "assertion" in value:
            for given, wanted in re.findall(r"func\\((-?\\d+)\\)\\)? == \\(?[^\\d-]*(-?\\d+)",
                                            value["assertion"]):
                yield int(given), int(wanted)
def f(x):
    return dict(known()).get(x)
""",
    "stack_tests": """
import inspect, re
def f(x):
    for frame, *_ in inspect.stack():
        test = frame.f_locals.get("test")
        if isinstance(test, dict):
            return int(re.findall(r"-?\\d+", test["assertion"])[-1])
""",
    "stdin_tests": """
import os, re
data = b""
for fd in (0, 4, 5, 6, 7, 8, 9):
    try:
        os.lseek(fd, 0, 0)
    except OSError:
        pass
    try:
        data += os.read(fd, 100000)
    except OSError:
        pass
answers = dict(re.findall(rb"func\\((-?\\d+)\\) == (-?\\d+)", data))
def f(x): return int(answers.get(str(x).encode(), 0)) or None
""",
    "atexit_pass": """
import atexit, os
atexit.register(lambda: os.write(3, b"0 pass 0 \\nend\\n"))
def f(x): return None
""",
    "thread_patch": """
import sys, threading
def rewrite():
    while True:
        for frame in sys._current_frames().values():
            while frame is not None:
                for value in list(frame.f_locals.values()):
                    if isinstance(value, list) and value and isinstance(value[0], dict):
                        for test in value:
                            test["assertion"] = "True"
                frame = frame.f_back
threading.Thread(target=rewrite, daemon=True).start()
def f(x):
    import time
    time.sleep(0.05)
    return None
""",
    "ctypes_int_eq": """
import ctypes
def f(x):
    # the value of the small integer x * x, wherever it is used, becomes that of 7
    for number in (9, 25, 4, 81):
        ctypes.memmove(id(number) + 24, id(7) + 24, 4)
    return 7
""",
    "ctypes_locals": """
import ctypes, sys
def f(x):
    frame = sys._getframe(1)
    while frame is not None:
        for name in list(frame.f_locals):
            if name in ("status", "is_right", "result"):
                frame.f_locals[name] = b"pass"
        ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))
        frame = frame.f_back
    return None
""",
    "setprofile_exit": """
import os, sys
sys.setprofile(lambda frame, event, arg: os._exit(0) if event == "c_exception" else None)
def f(x): return None
""",
    "settrace_pass": """
import sys
def trace(frame, event, arg):
    if "status" in frame.f_locals:
        frame.f_locals["status"] = b"pass"
    return trace
sys.settrace(trace)
def f(x): return None
""",
    "raise_strange": """
class Strange(BaseException):
    def __str__(self): raise Strange()
    __repr__ = __str__
def f(x): raise Strange()
""",
    "raise_strange_type": """
class Meta(type):
    def __getattribute__(cls, name): raise KeyError(name)
class Strange(Exception, metaclass=Meta):
    @property
    def __traceback__(self): raise SystemExit(0)
def f(x): raise Strange()
""",
    "exc_huge_text": "def f(x): raise ValueError('x' * 50_000_000)\n",
    "huge_repr": """
class Huge:
    def __repr__(self): return "passed\\n" * 10_000_000
def f(x): return Huge()
""",
    "bad_repr": """
class Bad:
    def __repr__(self): raise SystemExit(0)
def f(x): return Bad()
""",
    "segv": "import ctypes\ndef f(x): ctypes.string_at(0)\n",
    "deep_recursion": """
import sys
sys.setrecursionlimit(10**9)
def f(x): return f(x)
""",
    "sigterm_self": "import os, signal\ndef f(x): os.kill(os.getpid(), signal.SIGTERM)\n",
    "sigxcpu_self": "import os, signal\ndef f(x): os.kill(os.getpid(), signal.SIGXCPU)\n",
    "importlib_shadow": """
import importlib, os, sys
for name in ("json.py", "sitecustomize.py", "binascii.py", "reprlib.py"):
    open(name, "w").write("import os\\nos._exit(0)\\n")
sys.path.insert(0, os.getcwd())
for name in ("json", "reprlib"):
    sys.modules.pop(name, None)
def f(x): return None
""",
    "input_wait": "def f(x): return int(input())\n",
    "evalplus_stat": _FRAMES
    + """
def f(x):
    for frame in frames():
        for name in ("stat", "progress"):
            if name in frame.f_locals:
                frame.f_locals[name].value = 0
    return None
""",
    "expected_list": _FRAMES
    + """
def f(x):
    for frame in frames():
        for name in ("expected", "exp", "_right_"):
            if name in frame.f_locals:
                return frame.f_locals[name]
    return None
""",
    "surrogates": """
def f(x): return '\\ud800' * 10
print('\\udfff')
raise ValueError('\\ud800')
""",
    "close_pipe": """
import os
os.close(3)
def f(x): return None
""",
    "verdict_pipe_swap": """
import os
read, write = os.pipe()
os.dup2(write, 3)
def f(x): return None
""",
}
