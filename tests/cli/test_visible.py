import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synaptic_crdt.cli.visible import make_visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Grüße, 市場, سوق", "Grüße, 市場, سوق"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]8;;http://evil\x07link", r"\x1b]8;;http://evil\x07link"),
        ("\x9b31m", r"\x9b31m"),
        ("title\rforged", r"title\rforged"),
        ("two\nlines", r"two\nlines"),
        ("user\u202ecod.exe", r"user\u202ecod.exe"),
        ("\u2066isolate\u2069", r"\u2066isolate\u2069"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("\ufeffmark", r"\ufeffmark"),
        ("blank\u3164name", r"blank\u3164name"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("line\u2028separator", r"line\u2028separator"),
        ("lone\ud800surrogate", r"lone\ud800surrogate"),
        ("\x7f", r"\x7f"),
        ("", ""),
    ],
)
def test_what_is_hidden_is_written_out(text: str, shown: str) -> None:
    assert make_visible(text) == shown


def test_a_block_keeps_its_lines_and_nothing_else() -> None:
    assert make_visible("a\n\tb\r\x1b", is_multiline=True) == "a\n\tb\\r\\x1b"


@given(st.text())
def test_nothing_that_acts_on_a_terminal_is_left(text: str) -> None:
    shown = make_visible(text)
    assert not [c for c in shown if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]
    shown.encode()  # a lone surrogate could not be printed


@given(st.text())
def test_it_is_settled_after_once(text: str) -> None:
    assert make_visible(make_visible(text)) == make_visible(text)
