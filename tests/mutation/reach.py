"""Which tests could notice a mutant: those that run its lines, the quickest first.

What a test runs is measured once, line by line. What runs when a module is loaded is run by every
test and by none, so there the lines count that use the names it gives a value to: in functions
directly, and through other such statements. Names are compared as they are written, which finds
too many tests rather than too few.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import msgspec

from tests.mutation.mutants import Mutant, list_modules, read_source


class Reach(msgspec.Struct, frozen=True):
    """What was measured: seconds of each test; of each line of each module, the tests by number."""

    digest: str
    seconds: dict[str, float]
    tests: list[str]
    lines: dict[str, dict[int, list[int]]]

    def find_tests(self, mutant: Mutant) -> list[str]:
        """Return the tests that run a mutant, the quickest first."""
        if mutant.scope:
            first, last = mutant.lines
            places = [(mutant.path, line) for line in range(first, last + 1)]
        else:
            places = sorted(find_uses(mutant.names))
        found: set[int] = set()
        for path, line in places:
            found.update(self.lines.get(path, {}).get(line, ()))
        names = [self.tests[number] for number in sorted(found)]
        return sorted(names, key=lambda name: self.seconds[name])

    def limit(self, tests: list[str], seconds: float) -> list[str]:
        """Return as many of the tests, from the first on, as take no longer; at least one."""
        total = 0.0
        for index, name in enumerate(tests):
            total += self.seconds[name]
            if index and total > seconds:
                return tests[:index]
        return tests


@dataclass
class _Uses:
    """Where a name is used: at lines of functions, and by what is named when a module is loaded."""

    lines: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])
    names: set[str] = field(default_factory=set[str])


def find_uses(names: tuple[str, ...]) -> set[tuple[str, int]]:
    """Return the lines of functions whose outcome the named values could change."""
    index = _index_uses()
    lines: set[tuple[str, int]] = set()
    known: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in known and name in index:
            known.add(name)
            lines |= index[name].lines
            waiting += sorted(index[name].names)
    return lines


@cache
def _index_uses() -> dict[str, _Uses]:
    index: dict[str, _Uses] = {}
    for path in list_modules():
        for name, line, users in _read_uses(ast.parse(read_source(path)), (), is_running=False):
            uses = index.setdefault(name, _Uses())
            if users:
                uses.names.update(users)
            else:
                uses.lines.add((path, line))
    return index


def _read_uses(
    node: ast.AST, users: tuple[str, ...], *, is_running: bool
) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """Yield each name, its line, and whose value it is used for; nobody's inside a function."""
    match node:
        case ast.FunctionDef(name=name, args=args, body=body) if not is_running:
            # Its defaults, and what it is called by, change what its own lines do.
            yield from _read_uses(args, (name,), is_running=False)
            for statement in body:
                yield name, statement.lineno, ()
                yield from _read_uses(statement, (), is_running=True)
            return
        case ast.ClassDef(name=name):
            users = (name,)
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            users = users if is_running else (*users, name)
        case ast.Name(id=name, lineno=line) | ast.Attribute(attr=name, lineno=line):
            yield name, line, users
        case _:
            pass
    for child in ast.iter_child_nodes(node):
        yield from _read_uses(child, users, is_running=is_running)
