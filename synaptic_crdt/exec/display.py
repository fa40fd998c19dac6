"""What others wrote, made fit to be shown: bounded, and free of control characters.

Answers escape sequences, bidirectional overrides and endless lines in payloads, results and
names. It is for people's eyes; no rule and no hash ever sees its output.
"""

_ELLIPSIS = "..."


def clean_text(text: str, limit: int) -> str:
    """Return at most ``limit`` characters of ``text``, each that is not printable a space."""
    clean = "".join(letter if letter.isprintable() else " " for letter in text[: limit + 1])
    return clean if len(clean) <= limit else clean[: limit - len(_ELLIPSIS)] + _ELLIPSIS


def clean_bytes(data: bytes, limit: int) -> str:
    """Return at most ``limit`` characters of ``data`` read as UTF-8, as ``clean_text`` does."""
    # A character has at most four bytes, so nothing beyond these can be shown.
    return clean_text(data[: 4 * (limit + 1)].decode("utf-8", "replace"), limit)
