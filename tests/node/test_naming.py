from collections.abc import Mapping, Sequence
from typing import TypedDict

import pytest

from synaptic_crdt.errors import UsageError
from synaptic_crdt.node.naming import PathText, call_named


class Part(TypedDict, total=False):
    text: str


def sell(
    subject: str,
    *,
    to: str,
    amount: int = 1,
    parts: Sequence[Part] = (),
    path: PathText = "here",
    limit: int | None = None,
) -> object:
    return subject, to, amount, list(parts), path, limit


def call(args: Mapping[str, object], name: str = "sell") -> object:
    return call_named({"sell": sell}, "command", "subject", name, args)


def test_a_call_with_arguments_that_fit() -> None:
    assert call({"to": "paul"}) == ("subject", "paul", 1, [], "here", None)
    expected = ("subject", "paul", 10**30, [{"text": "x"}], "there", 5)
    given = {"to": "paul", "amount": 10**30, "parts": ({"text": "x"},), "path": "there", "limit": 5}
    assert call(given) == expected


def test_no_such_name() -> None:
    with pytest.raises(UsageError, match="no command is named 'buy'"):
        call({}, "buy")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "missing required field `to`"),
        ({"to": "paul", "from": "rita"}, "unknown field `from`"),
        ({"to": 5}, "Expected `str`, got `int`"),
        ({"to": "paul", "amount": "5"}, "Expected `int`, got `str`"),
        ({"to": "paul", "amount": 1.5}, "Expected `int`, got `float`"),
        ({"to": "paul", "amount": True}, "Expected `int`, got `bool`"),
        ({"to": "paul", "parts": "x"}, "Expected `array`, got `str`"),
        ({"to": "paul", "parts": [{"text": 5}]}, "Expected `str`, got `int`"),
        ({"to": "paul", "path": ""}, "length >= 1"),
        ({"to": "paul", "path": "a\0b"}, "matching regex"),
    ],
)
def test_arguments_that_do_not_fit(args: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=f"command sell: .*{message}"):
        call(args)
