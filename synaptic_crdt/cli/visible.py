"""Text of other people, made harmless for a terminal.

Names, titles, memos, payloads and results come from others and may carry escape sequences, control
codes, marks that reverse the direction of reading, or characters that cannot be seen. All of them
are shown as what they are, in the notation of a Python string; letters of every script stay.
"""

import unicodedata
from typing import Final

# Control, format, surrogate, private, unassigned; line and paragraph separators.
_HIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters and symbols by category that print as nothing: fillers and the blank Braille pattern.
_BLANKS: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")


def make_visible(text: str, *, is_multiline: bool = False) -> str:
    r"""Return ``text`` with everything unprintable written out, as ``\x1b`` or ``\u202e``.

    ``is_multiline`` keeps line feeds and tabs, for text that is shown as a block of its own.
    """
    if text.isascii() and text.isprintable():
        return text
    kept = "\n\t" if is_multiline else ""
    return "".join(
        character if character in kept or not _is_hidden(character) else _write_out(character)
        for character in text
    )


def _is_hidden(character: str) -> bool:
    return character in _BLANKS or unicodedata.category(character) in _HIDDEN_CATEGORIES


def _write_out(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
