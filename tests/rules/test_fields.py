import pytest

from synaptic_crdt.rules.fields import has_length, is_media_type, is_slug, is_symbol


@pytest.mark.parametrize("text", ["a", "0", "code.review", "a-b.c-9", "9" * 48, "a."])
def test_slugs(text: str) -> None:
    assert is_slug(text)


@pytest.mark.parametrize(
    "text", ["", ".a", "-a", "A", "a_b", "a b", "a\n", "é", "a" * 49, "a\0", "\u0661"]
)
def test_no_slugs(text: str) -> None:
    assert not is_slug(text)


def test_symbols() -> None:
    assert [is_symbol(text) for text in ("T", "TOK9", "A" * 8)] == [True] * 3
    assert [is_symbol(text) for text in ("", "tok", "A" * 9, "É", "A B")] == [False] * 5


def test_media_types() -> None:
    assert is_media_type("text/plain; charset=utf-8")
    assert [is_media_type(text) for text in ("", "\x1f", "\x7f", "é", "t" * 65)] == [False] * 5


def test_text_is_measured_in_bytes() -> None:
    assert has_length("é" * 4, 1, 8)
    assert not has_length("é" * 4, 1, 7)
    assert not has_length("", 1, 7)
