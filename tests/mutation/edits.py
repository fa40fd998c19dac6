"""Small wrong changes of a module's syntax tree: each is a mistake that a test should notice.

Guarantees: the same source has the same edits in the same order, so a number names one of them.
Left alone are what people read (strings with a space, formatted strings, docstrings, the table of
sentences), annotations, and assertions, which say what is true already.
"""

import ast
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

# A boundary moves by one; an equality is turned round.
_COMPARED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_ORDERED: Final = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_COMPUTED: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_CALLED: Final = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list"}


@dataclass(frozen=True)
class Place:
    """Where a node hangs: in a field of its parent, at an index if the field is a list.

    ``scope`` is the outermost function around it as ``Class.method``, empty for what runs when the
    module is loaded; ``names`` are the names that the statement around it gives a value to;
    ``lines`` are those that run when the node does; ``is_type`` tells a word of a ``Literal``.
    """

    parent: ast.AST
    field: str
    index: int | None
    scope: str
    names: tuple[str, ...]
    lines: tuple[int, int]
    is_type: bool = False


@dataclass(frozen=True)
class Edit:
    """One change: the node at a place becomes another."""

    operator: str
    place: Place
    before: ast.AST
    after: ast.AST

    def apply(self) -> None:
        """Change the tree that the edit was found in."""
        if self.place.index is None:
            setattr(self.place.parent, self.place.field, self.after)
        else:
            getattr(self.place.parent, self.place.field)[self.place.index] = self.after
        ast.fix_missing_locations(ast.copy_location(self.after, self.before))


def find_edits(tree: ast.Module) -> Iterator[Edit]:
    """Yield every edit of a module, in the order of its nodes."""
    start = Place(tree, "body", None, "", (), (1, 1))
    for node, place in _walk(tree, start):
        for operator, after in _find_changes(node, place):
            yield Edit(operator, place, node, after)


# What is walked.


def _walk(node: ast.AST, place: Place) -> Iterator[tuple[ast.AST, Place]]:
    yield node, place
    for field, value in ast.iter_fields(node):
        if _is_left_alone(node, field):
            continue
        if isinstance(value, ast.AST):
            yield from _walk(value, _go_down(node, field, None, value, place))
        elif isinstance(value, list):
            for index, child in enumerate(value):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - a list of nodes or of names
                if isinstance(child, ast.AST) and not _is_docstring(child):
                    yield from _walk(child, _go_down(node, field, index, child, place))


def _go_down(parent: ast.AST, field: str, index: int | None, child: ast.AST, place: Place) -> Place:
    scope, names, lines = place.scope, place.names, place.lines
    if isinstance(child, ast.stmt):
        lines = (child.lineno, _get_last_line_of_head(child))
    if not scope:
        names = _get_names(child, parent) or names
        if isinstance(parent, ast.FunctionDef) and field == "body":
            scope = parent.name
            if isinstance(place.parent, ast.ClassDef):
                scope = f"{place.parent.name}.{scope}"
    is_type = place.is_type or (
        isinstance(parent, ast.Subscript)
        and isinstance(parent.value, ast.Name)
        and parent.value.id == "Literal"
    )
    return Place(parent, field, index, scope, names, lines, is_type)


def _get_names(child: ast.AST, parent: ast.AST) -> tuple[str, ...]:
    match child:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
            return (name,)
        case ast.AnnAssign() if isinstance(parent, ast.ClassDef):
            return (parent.name,)
        case ast.Assign(targets=targets):
            return tuple(node.id for node in targets if isinstance(node, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            return (name,)
        case _:
            return ()


def _get_last_line_of_head(node: ast.stmt) -> int:
    """Return the last line of a statement, of its head if it has a body."""
    body: list[ast.stmt] = getattr(node, "body", [])
    last = body[0].lineno - 1 if body else node.end_lineno
    return max(node.lineno, last or 0)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_left_alone(node: ast.AST, field: str) -> bool:
    match node:
        case ast.Assert() | ast.JoinedStr() | ast.Import() | ast.ImportFrom():
            return True
        case ast.ClassDef():
            return field != "body"
        case ast.FunctionDef():
            return field in {"returns", "decorator_list"}
        case ast.arg() | ast.AnnAssign():
            return field == "annotation"
        case ast.Call(func=ast.Name(id="cast")):
            return True
        case _:
            return False


# What is changed.


def _find_changes(node: ast.AST, place: Place) -> Iterator[tuple[str, ast.AST]]:
    for find in _FINDERS.get(type(node), ()):
        yield from find(node, place)


def _swap_compared(node: ast.Compare, place: Place) -> Iterator[tuple[str, ast.AST]]:
    is_whole_test = isinstance(place.parent, ast.If | ast.IfExp) and place.field == "test"
    for index, operator in enumerate(node.ops):
        # To turn a whole condition round is less than to decide it either way.
        if is_whole_test and not isinstance(operator, _ORDERED):
            continue
        after = deepcopy(node)
        after.ops[index] = _COMPARED[type(operator)]()
        yield "comparison", after


def _swap_computed(node: ast.BinOp, _: Place) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node.left, ast.JoinedStr) or isinstance(node.right, ast.JoinedStr):
        return
    other = _COMPUTED.get(type(node.op))
    if other is not None:
        yield "arithmetic", _change(node, op=other())


def _swap_added(node: ast.AugAssign, _: Place) -> Iterator[tuple[str, ast.AST]]:
    other = _COMPUTED.get(type(node.op))
    if other is not None:
        yield "arithmetic", _change(node, op=other())
    yield "statement", ast.Pass()


def _drop_sign(node: ast.UnaryOp, _: Place) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node.op, ast.USub):
        yield "arithmetic", deepcopy(node.operand)
    elif isinstance(node.op, ast.Not):
        yield "boolean", deepcopy(node.operand)


def _drop_operand(node: ast.BoolOp, _: Place) -> Iterator[tuple[str, ast.AST]]:
    for index in range(len(node.values)):
        rest = [deepcopy(v) for i, v in enumerate(node.values) if i != index]
        yield "boolean", rest[0] if len(rest) == 1 else ast.BoolOp(deepcopy(node.op), rest)


def _change_constant(node: ast.Constant, place: Place) -> Iterator[tuple[str, ast.AST]]:
    match node.value:
        case bool():
            yield "constant", ast.Constant(not node.value)
        case int():
            yield "constant", ast.Constant(node.value + 1)
        case bytes():
            yield "constant", ast.Constant(node.value + b"!")
        case str() if " " not in node.value and not isinstance(place.parent, ast.FormattedValue):
            yield "constant", ast.Constant(node.value + "!")
        case _:
            pass


def _decide(node: ast.If | ast.IfExp, _: Place) -> Iterator[tuple[str, ast.AST]]:
    for outcome in (True, False):
        yield "condition", _change(node, test=ast.Constant(outcome))


def _drop_filters(node: ast.comprehension, _: Place) -> Iterator[tuple[str, ast.AST]]:
    if node.ifs:
        yield "condition", _change(node, ifs=[])


def _drop_statement(_: ast.stmt, __: Place) -> Iterator[tuple[str, ast.AST]]:
    yield "statement", ast.Pass()


def _drop_assignment(node: ast.Assign, _: Place) -> Iterator[tuple[str, ast.AST]]:
    # Without a name that is read later, the program only stops: that shows nothing.
    if all(isinstance(target, ast.Attribute | ast.Subscript) for target in node.targets):
        yield "statement", ast.Pass()


def _return_nothing(node: ast.Return, _: Place) -> Iterator[tuple[str, ast.AST]]:
    if node.value is not None and not isinstance(node.value, ast.Constant):
        yield "return", ast.Return(ast.Constant(None))


def _change_verdict(node: ast.Attribute, _: Place) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node.value, ast.Name) and node.value.id == "Verdict":
        other = "MALFORMED" if node.attr != "MALFORMED" else "UNKNOWN_OPERATION"
        yield "verdict", _change(node, attr=other)


def _change_call(node: ast.Call, _: Place) -> Iterator[tuple[str, ast.AST]]:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name in _CALLED and not (name == "sorted" and node.keywords):
        yield "call", _change(node, func=ast.Name(_CALLED[name], ast.Load()))
    if name == "Refusal" and len(node.args) > 1:
        yield "values", _change(node, args=node.args[:1])
    for index, keyword in enumerate(node.keywords):
        # One that has to be there is missed by the call itself.
        if keyword.arg is not None and not name[:1].isupper():
            rest = [k for i, k in enumerate(node.keywords) if i != index]
            yield "argument", _change(node, keywords=rest)


def _change(node: ast.AST, **fields: object) -> ast.AST:
    after = deepcopy(node)
    for name, value in fields.items():
        setattr(after, name, value)
    return after


_Finder = Callable[[Any, Place], Iterator[tuple[str, ast.AST]]]
_FINDERS: Final[dict[type[ast.AST], tuple[_Finder, ...]]] = {
    ast.Compare: (_swap_compared,),
    ast.BinOp: (_swap_computed,),
    ast.AugAssign: (_swap_added,),
    ast.UnaryOp: (_drop_sign,),
    ast.BoolOp: (_drop_operand,),
    ast.Constant: (_change_constant,),
    ast.If: (_decide,),
    ast.IfExp: (_decide,),
    ast.comprehension: (_drop_filters,),
    ast.For: (_drop_statement,),
    ast.Expr: (_drop_statement,),
    ast.Assign: (_drop_assignment,),
    ast.Delete: (_drop_statement,),
    ast.Continue: (_drop_statement,),
    ast.Break: (_drop_statement,),
    ast.Raise: (_drop_statement,),
    ast.Return: (_return_nothing,),
    ast.Attribute: (_change_verdict,),
    ast.Call: (_change_call,),
}
