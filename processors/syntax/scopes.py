"""Names in their scopes: what Python's symbol table refuses, in CPython's order and words.

The rules are those of CPython's Python/symtable.c. That table itself is not asked: it copies the
names of each scope for each scope inside it, so its time grows with the product of both.
"""

from typing import Literal, NoReturn

USED, BOUND, PARAMETER, GLOBAL, NONLOCAL, ANNOTATED, IMPORTED, ITERATED, TYPE_PARAMETER = (
    1 << bit for bit in range(9)
)
_DECLARED_TOO_LATE = BOUND | USED | PARAMETER | ANNOTATED
_BINDS = BOUND | PARAMETER | IMPORTED

ScopeKind = Literal[
    "module",
    "class",
    "function",
    "async function",
    "lambda",
    "list comprehension",
    "set comprehension",
    "dict comprehension",
    "generator expression",
    "an annotation",
    "a type alias",
    "a TypeVar bound",
    "the definition of a generic",
]
FUNCTIONS = ("function", "async function", "lambda")
COMPREHENSIONS = (
    "list comprehension",
    "set comprehension",
    "dict comprehension",
    "generator expression",
)
# In these, nothing may be yielded, awaited or assigned.
CLOSED = ("an annotation", "a type alias", "a TypeVar bound", "the definition of a generic")


class Refused(Exception):
    """What the compiler refuses: its words, and the line."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class Scope:
    """One scope and its names.

    line, order: where it stands, and when it was met. private: the class whose private names are
    mangled in it. is_compiled: code is made for it, as it is not for annotations kept as text.
    is_async: it awaits; yields: it is a generator; returned: where it returned a value.
    """

    def __init__(
        self,
        kind: ScopeKind,
        parent: "Scope | None" = None,
        *,
        line: int = 0,
        order: int = 0,
        private: str = "",
        is_compiled: bool = True,
    ) -> None:
        self.kind = kind
        self.parent = parent
        self.line = line
        self.order = order
        self.private: str = private or (parent.private if parent else "")
        self.is_compiled: bool = is_compiled and (parent is None or parent.is_compiled)
        self.is_async = kind == "async function"
        self.yields = False
        self.returned: tuple[int, int] | None = None  # order and line
        self.full: tuple[int, int] | None = None  # the same of the first block that fills it
        self._names: dict[str, int] = {}

    @property
    def is_function(self) -> bool:
        return self.kind in FUNCTIONS or self.kind in COMPREHENSIONS

    def flags(self, name: str) -> int:
        """Return what is known of a name that is mangled already."""
        return self._names.get(name, 0)

    def mangled(self, name: str) -> str:
        """Return a private name as it is stored in its class: __x in A is _A__x."""
        owner = self.private.lstrip("_")
        if not owner or not name.startswith("__") or name.endswith("__") or "." in name:
            return name
        return f"_{owner}{name}"

    def add(self, name: str, flag: int, line: int, *, is_iterated: bool = False) -> None:
        """Note a use or a binding; is_iterated: in the target of a comprehension's loop."""
        if name.startswith("__"):
            name = self.mangled(name)
        known = self._names.get(name, 0)
        if flag & known & PARAMETER:
            raise Refused(f"duplicate argument '{name}' in function definition", line)
        if flag & known & TYPE_PARAMETER:
            raise Refused(f"duplicate type parameter '{name}'", line)
        if is_iterated and known & (GLOBAL | NONLOCAL):
            what = "comprehension inner loop cannot rebind assignment expression target"
            raise Refused(f"{what} '{name}'", line)
        self._names[name] = known | flag | (ITERATED if is_iterated else 0)

    def declare(self, name: str, word: Literal["global", "nonlocal"], line: int) -> None:
        """Note that a name is declared, which has to come before its first use."""
        known = self.flags(self.mangled(name))
        if known & _DECLARED_TOO_LATE:
            raise Refused(_too_late(name, word, known), line)
        self.add(name, GLOBAL if word == "global" else NONLOCAL, line)

    def annotate(self, name: str, line: int) -> None:
        """Note that a plain name is annotated."""
        known = self.flags(self.mangled(name))
        if known & (GLOBAL | NONLOCAL) and self.kind != "module":
            word = "global" if known & GLOBAL else "nonlocal"
            raise Refused(f"annotated name '{name}' can't be {word}", line)
        self.add(name, ANNOTATED | BOUND, line)

    def assign_in_comprehension(self, name: str, line: int) -> None:
        """Note that a comprehension assigns (y := 1): in the function that it stands in."""
        scope: Scope | None = self
        while scope is not None:
            if scope.kind in COMPREHENSIONS:
                if scope.flags(scope.mangled(name)) & ITERATED:
                    what = "assignment expression cannot rebind comprehension iteration variable"
                    raise Refused(f"{what} '{name}'", line)
            elif scope.kind != "an annotation":
                self._assign_in(scope, name, line)
                return
            scope = scope.parent

    def _assign_in(self, outer: "Scope", name: str, line: int) -> None:
        if outer.kind == "class" or outer.kind in CLOSED:
            _refuse_assignment(outer.kind, line)
        is_global = outer.kind == "module" or outer.flags(outer.mangled(name)) & GLOBAL
        self.add(name, GLOBAL if is_global else NONLOCAL, line)
        outer.add(name, GLOBAL if outer.kind == "module" else BOUND, line)

    def check_nonlocal(self, name: str, line: int) -> None:
        """Raise unless a function round this scope binds the declared name."""
        name = self.mangled(name)
        if self.flags(name) & GLOBAL:
            raise Refused(f"name '{name}' is nonlocal and global", line)
        if self.kind == "module":
            raise Refused("nonlocal declaration not allowed at module level", line)
        inner, scope = self, self.parent
        while scope is not None:
            known = scope.flags(name)
            if scope.kind == "class" and inner.is_function and name == "__class__":
                return
            if known & TYPE_PARAMETER:
                what = "nonlocal binding not allowed for type parameter"
                raise Refused(f"{what} '{name}'", line)
            if scope.is_function and known & (GLOBAL | _BINDS) and not known & NONLOCAL:
                if known & GLOBAL:
                    break
                return
            inner, scope = scope, scope.parent
        raise Refused(f"no binding for nonlocal '{name}' found", line)


def _too_late(name: str, word: str, known: int) -> str:
    if known & PARAMETER:
        return f"name '{name}' is parameter and {word}"
    if known & USED:
        return f"name '{name}' is used prior to {word} declaration"
    if known & ANNOTATED:
        return f"annotated name '{name}' can't be {word}"
    return f"name '{name}' is assigned to before {word} declaration"


def _refuse_assignment(kind: ScopeKind, line: int) -> NoReturn:
    where = {"class": "in a class body", "the definition of a generic": f"within {kind}"}
    what = "assignment expression within a comprehension cannot be used"
    raise Refused(f"{what} {where.get(kind, f'in {kind}')}", line)
