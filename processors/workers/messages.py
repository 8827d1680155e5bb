"""What a worker and its owner say to each other: a fixed head, then bytes of the lengths in it.

Asked: the processor seconds that the work may take, its name and its payload.
Answered: whether there is a result, whether the worker ends with it, and the result or the reason
why there is none. A worker that is ready says so by a first, empty answer.
"""

import struct
from collections.abc import Callable
from importlib import import_module

REQUEST_HEAD = struct.Struct(">dII")
REPLY_HEAD = struct.Struct(">??Q")

Work = Callable[[bytes], bytes]


def name_of(work: Work) -> str:
    """Return module:function of a function that a worker can import."""
    name = f"{work.__module__}:{work.__qualname__}"
    if "<" in name:
        raise ValueError(f"{name} is no function of a module")
    return name


def function_named(name: str) -> Work:
    """Return the function of such a name."""
    module, _, function = name.partition(":")
    work: Work = vars(import_module(module))[function]
    return work
