"""The addresses this home knows of others: from its ticket, and from syncs that succeeded."""

from collections.abc import Sequence
from typing import Final

import msgspec

from synaptic_crdt.errors import StoreDamaged
from synaptic_crdt.node.home import Home, write_privately

_ADDRESSES: Final = 64


def read_addresses(home: Home) -> list[str]:
    """Return the known addresses, newest first."""
    if not home.peers_path.exists():
        return []
    try:
        return msgspec.json.decode(home.peers_path.read_bytes(), type=list[str])
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        raise StoreDamaged(
            f"{home.peers_path}: {error}; remove it, and name addresses when you sync"
        ) from error


def keep_addresses(home: Home, addresses: Sequence[str]) -> None:
    """Put addresses in front of those known."""
    known = read_addresses(home)
    merged = list(dict.fromkeys([*addresses, *known]))[:_ADDRESSES]
    if merged != known:
        write_privately(home.peers_path, msgspec.json.encode(merged))
