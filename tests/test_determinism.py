"""What decides the state is written in a form that gives the same answer everywhere.

The import contracts keep clocks, chance and threads out of `state` and `rules`; this reads their
source for what needs no import: fractions, hashes of one process, the order of a set.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import synaptic_crdt

PACKAGE = Path(synaptic_crdt.__file__).parent
SOURCES = [*sorted(PACKAGE.glob("state/**/*.py")), *sorted(PACKAGE.glob("rules/**/*.py"))]


def find_unsteady(source: str) -> Iterator[str]:
    """Yield every place whose value could differ between two machines."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Constant(value=float() | complex()):
                yield f"line {node.lineno}: a fraction"
            case ast.BinOp(left=left, op=ast.Div()) if not is_path(left):
                yield f"line {node.lineno}: true division; integers divide with //"
            case ast.AugAssign(op=ast.Div()):
                yield f"line {node.lineno}: true division; integers divide with //"
            case ast.Call(func=ast.Name(id="float" | "hash" | "id" | "round" as name)):
                yield f"line {node.lineno}: {name}()"
            case ast.For(iter=iterated) | ast.comprehension(iter=iterated) if is_set(iterated):
                yield f"line {iterated.lineno}: iteration in the order of a set; sort it first"
            case _:
                pass


def is_path(left: ast.expr) -> bool:
    """Tell whether a `/` joins a folder with a name: the folder is then called so."""
    names = {node.id for node in ast.walk(left) if isinstance(node, ast.Name)}
    attributes = {node.attr for node in ast.walk(left) if isinstance(node, ast.Attribute)}
    return any("path" in name or "folder" in name for name in names | attributes)


def is_set(iterated: ast.expr) -> bool:
    match iterated:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case _:
            return False


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_source_is_steady(path: Path) -> None:
    assert list(find_unsteady(path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "share = 0.5",
        "share = paid / total",
        "paid /= 2",
        "order = hash(key)",
        "for device in {a, b}: fold(device)",
        "rows = [read(key) for key in set(keys)]",
    ],
)
def test_unsteady_source_is_found(source: str) -> None:
    assert list(find_unsteady(source)) != []


@pytest.mark.parametrize(
    "source",
    ["share = paid // total", "file = home_path / name", "for key in sorted(set(keys)): read(key)"],
)
def test_steady_source_is_left_alone(source: str) -> None:
    assert list(find_unsteady(source)) == []
