"""The mutants of the rules: which there are, what each does to its module, and its code.

A mutant is named by its module, the hash of the module's source, and the number of its edit: as
long as the source is the same, the name means the same change.
"""

import ast
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Final

from tests.mutation.edits import Edit, find_edits

ROOT: Final = Path(__file__).parents[2]
MUTATED: Final = ROOT / "synaptic_crdt" / "rules"
# Sentences for people, which other tests hold against the documentation.
_SENTENCES: Final = "explain.py"
# Two hundred numbers in one table: of these every fifth.
_NUMBERS: Final = "verdicts.py"
_OF_THESE_EACH: Final = 5


@dataclass(frozen=True, order=True)
class Mutant:
    """One wrong version of one module; ``path`` is relative to the repository."""

    path: str
    number: int
    line: int
    scope: str
    names: tuple[str, ...]
    lines: tuple[int, int]
    operator: str
    before: str
    after: str

    @property
    def key(self) -> str:
        """The mutant's name, which another source of its module makes void."""
        return f"{self.path}:{compute_digest(self.path)}:{self.number}"


def list_modules() -> list[str]:
    """Return the paths of all modules that are mutated, relative to the repository."""
    return [path.relative_to(ROOT).as_posix() for path in sorted(MUTATED.rglob("*.py"))]


def list_mutants(path: str) -> list[Mutant]:
    """Return all mutants of a module, in the order of its source."""
    return [
        _describe(path, number, edit)
        for number, edit in enumerate(find_edits(ast.parse(read_source(path))))
        if _is_wanted(path, number, edit)
    ]


def compile_mutant(path: str, number: int) -> CodeType:
    """Return the code of a module with one edit made."""
    tree = ast.parse(read_source(path))
    for index, edit in enumerate(find_edits(tree)):
        if index == number:
            edit.apply()
            return compile(tree, str(ROOT / path), "exec")
    raise ValueError(f"{path} has no edit {number}")


@cache
def read_source(path: str) -> str:
    """Return a module's source, as it was when it was first asked for."""
    return (ROOT / path).read_text("utf-8")


@cache
def compute_digest(path: str) -> str:
    """Return a short hash of a module's source."""
    return hashlib.sha256(read_source(path).encode()).hexdigest()[:12]


def _is_wanted(path: str, number: int, edit: Edit) -> bool:
    if edit.place.scope:
        return True
    if edit.place.is_type:
        # Of a type's words only those that are read from the wire mean anything when it runs.
        return path.endswith("operations.py")
    if path.endswith(_NUMBERS):
        return number % _OF_THESE_EACH == 0
    return not path.endswith(_SENTENCES)


def _describe(path: str, number: int, edit: Edit) -> Mutant:
    place = edit.place
    line: int = getattr(edit.before, "lineno", place.lines[0])
    before, after = ast.unparse(edit.before), ast.unparse(edit.after)
    if isinstance(edit.before, ast.If | ast.For):
        before, after = before.partition("\n")[0], after.partition("\n")[0]
    return Mutant(
        path, number, line, place.scope, place.names, place.lines, edit.operator, before, after
    )
