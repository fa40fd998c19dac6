"""Payloads and results from files, as the node takes them."""

import base64
import mimetypes
from pathlib import Path
from typing import Final

import click

from synaptic_crdt.cli.output import Json

# Read no further than what no market carries: its own limit, which is of the ciphertext, is this.
_FILE_BYTES: Final = 64 * 1024 * 1024


def read_payload_file(path: Path) -> Json:
    """Return a file's content with its media type: text as text, else base64."""
    with path.open("rb") as file:
        data = file.read(_FILE_BYTES + 1)
    if len(data) > _FILE_BYTES:
        raise click.UsageError(f"{path} is over {_FILE_BYTES:,} bytes, more than a market carries")
    media_type = mimetypes.guess_type(path.name)[0]
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return {
            "base64": base64.b64encode(data).decode(),
            "media_type": media_type or "application/octet-stream",
        }
    return {"text": text, "media_type": media_type or "text/plain"}
