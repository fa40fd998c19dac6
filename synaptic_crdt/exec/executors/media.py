"""Whether bytes are what their media type says, as far as that can be told at a glance.

Answers payloads that would cost a model call to be found out, and results that are no such thing.
Nothing is decoded beyond text and JSON, so nothing can explode here; that a picture begins like one
does not mean that it is a good one. Media types that are not known here pass.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from synaptic_crdt.exec.executors.base import get_essence

TEXTS: Final = (
    "application/json",
    "application/xml",
    "application/yaml",
    "text/css",
    "text/csv",
    "text/html",
    "text/javascript",
    "text/markdown",
    "text/plain",
    "text/xml",
)
IMAGES: Final = ("image/gif", "image/jpeg", "image/png", "image/webp")
PDF: Final = "application/pdf"

_PDF_HEAD_BYTES: Final = 1_024  # readers look so far for the mark


def explain_media(media_type: str, data: bytes) -> str | None:
    """Say why these bytes are not of a media type, or None when they may be."""
    essence = get_essence(media_type)
    is_such = _MARKS.get(essence)
    if is_such is not None:
        return None if is_such(data) else f"the bytes do not begin as {essence} does"
    if essence.startswith("text/") or essence in TEXTS:
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            return f"{essence} is not UTF-8 at byte {error.start}"
        return _explain_json(text) if essence == "application/json" else None
    return None


def _explain_json(text: str) -> str | None:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return "it is not JSON"
    return None


_MARKS: Final[Mapping[str, Callable[[bytes], bool]]] = {
    "image/gif": lambda data: data.startswith((b"GIF87a", b"GIF89a")),
    "image/jpeg": lambda data: data.startswith(b"\xff\xd8\xff"),
    "image/png": lambda data: data.startswith(b"\x89PNG\r\n\x1a\n"),
    "image/webp": lambda data: data.startswith(b"RIFF") and data[8:12] == b"WEBP",
    PDF: lambda data: b"%PDF-" in data[:_PDF_HEAD_BYTES],
}
