import ast

import pytest

from tests.mutation.edits import find_edits


def change(source: str) -> dict[str, list[str]]:
    """Return every changed version of a source, by operator."""
    found: dict[str, list[str]] = {}
    for number, _ in enumerate(find_edits(ast.parse(source))):
        tree = ast.parse(source)
        edit = list(find_edits(tree))[number]
        edit.apply()
        found.setdefault(edit.operator, []).append(ast.unparse(tree))
    return found


@pytest.mark.parametrize(
    ("source", "operator", "changed"),
    [
        ("x = a < b <= c", "comparison", ["x = a <= b <= c", "x = a < b < c"]),
        ("x = a == b", "comparison", ["x = a != b"]),
        ("x = a + b * c", "arithmetic", ["x = a - b * c", "x = a + b // c"]),
        ("x = -a", "arithmetic", ["x = a"]),
        ("x = not a", "boolean", ["x = a"]),
        ("x = a and b and c", "boolean", ["x = b and c", "x = a and c", "x = a and b"]),
        ("x = 7", "constant", ["x = 8"]),
        ("x = False", "constant", ["x = True"]),
        ("x = b''", "constant", ["x = b'!'"]),
        ("x = 'OPEN'", "constant", ["x = 'OPEN!'"]),
        ("x = a if b else c", "condition", ["x = a if True else c", "x = a if False else c"]),
        ("x = [a for a in b if c]", "condition", ["x = [a for a in b]"]),
        ("if a == b:\n    c = d", "condition", ["if True:\n    c = d", "if False:\n    c = d"]),
        ("x = min(a, b)", "call", ["x = max(a, b)"]),
        ("x = sorted(a)", "call", ["x = list(a)"]),
        ("f(a, b=c)", "argument", ["f(a)"]),
        ("f(a)", "statement", ["pass"]),
        ("a[b] = c", "statement", ["pass"]),
        ("a += b", "statement", ["pass"]),
        ("for a in b:\n    c = a", "statement", ["pass"]),
        ("def f():\n    return a", "return", ["def f():\n    return None"]),
        ("x = Verdict.NAME_LENGTH", "verdict", ["x = Verdict.MALFORMED"]),
        ("x = Refusal(a, (b,))", "values", ["x = Refusal(a)"]),
    ],
)
def test_each_operator_makes_its_mistake(source: str, operator: str, changed: list[str]) -> None:
    assert change(source)[operator] == changed


@pytest.mark.parametrize(
    "source",
    [
        "x = 'a sentence for people'",
        "x = f'{a} of {b}'",
        "def f(a: int) -> bool:\n    'A word.'",
        "assert a < b",
        "@cached(7)\ndef f():\n    'A word.'",
        "class A(B, frozen=True):\n    'A word.'",
        "import a",
        "x = sorted(a, key=b)[c]",
    ],
)
def test_what_people_read_and_what_is_no_behaviour_is_left_alone(source: str) -> None:
    assert set(change(source)) <= {"argument"}


def test_an_edit_knows_where_it_is() -> None:
    source = """\
LIMIT = 3

class A:
    FIELD = 4
    other: int = 5

    def method(self, given=6):
        if (
            self.a
            < 7
        ):
            return self.b()
        return None
"""
    places = [
        (ast.unparse(edit.before).partition("\n")[0], edit.place)
        for edit in find_edits(ast.parse(source))
    ]
    assert {(text, place.scope, place.names) for text, place in places} == {
        ("3", "", ("LIMIT",)),
        ("4", "", ("FIELD",)),
        ("5", "", ("A",)),
        ("6", "", ("method",)),
        ("if self.a < 7:", "A.method", ("method",)),
        ("self.a < 7", "A.method", ("method",)),
        ("7", "A.method", ("method",)),
        ("return self.b()", "A.method", ("method",)),
    }
    lines = {place.lines for text, place in places if text == "7"}
    assert lines == {(8, 11)}


def test_the_words_of_a_type_are_marked() -> None:
    edits = list(find_edits(ast.parse("Role = Literal['member', 'auditor']\nx = 'member'")))
    assert [edit.place.is_type for edit in edits] == [True, True, False]
