"""This home's end of files and folders: its read keys, who is given them, and what it remembers.

A market that one is invited to has one from its founding; whoever gets a ticket gets it too. A home
writes by the newest one it has, and reads by all. They are kept as the market itself is kept here,
readable by this user alone.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from synaptic_crdt.errors import StoreDamaged, StoreFailed, UsageError
from synaptic_crdt.folders import make_folder
from synaptic_crdt.node.home import Home, write_privately
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.wire import Json
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.sync.read_keys import (
    READ_KEY_BYTES,
    ReadKeys,
    compute_name,
    make_read_key,
)
from synaptic_crdt.sync.transports.exchange import FileEnd

_KEYS: Final = 16  # older ones are forgotten
_NAME_DIGITS: Final = 24
_SEE: Final = "synaptic-crdt read-key"


class PlaceMemory:
    """What this home knows of folders, a file for each address."""

    def __init__(self, home: Home) -> None:
        self._folder: Final = home.places_path

    def load(self, address: str) -> bytes:
        """Return what was kept of an address; what cannot be read was not kept."""
        try:
            return self._get_path(address).read_bytes()
        except OSError:
            return b""

    def keep(self, address: str, data: bytes) -> None:
        """Keep what is known of an address. Raises ``StoreFailed``."""
        try:
            make_folder(self._folder, 0o700)
        except OSError as error:
            raise StoreFailed(f"{self._folder}: {error.strerror}") from error
        write_privately(self._get_path(address), data)

    def _get_path(self, address: str) -> Path:
        name = compute_hash("home", address.encode(errors="surrogateescape"))
        return self._folder / name.hex()[:_NAME_DIGITS]


def read_secrets(home: Home) -> list[bytes]:
    """Return the read keys of a home, the newest first. Raises ``StoreDamaged``."""
    try:
        texts = msgspec.json.decode(home.read_keys_path.read_bytes(), type=list[str])
        secrets = [bytes.fromhex(text) for text in texts]
    except FileNotFoundError:
        return []
    except (msgspec.DecodeError, OSError, ValueError) as error:
        raise StoreDamaged(
            f"{home.read_keys_path}: {error}; remove it, and take the key from a member with"
            f" `{_SEE} take`"
        ) from error
    if any(len(secret) != READ_KEY_BYTES for secret in secrets):
        raise StoreDamaged(f"{home.read_keys_path}: a read key has {READ_KEY_BYTES} bytes")
    return secrets


def keep_secret(home: Home, secret: bytes) -> None:
    """Keep a read key in front of those that a home has."""
    secrets = list(dict.fromkeys([secret, *read_secrets(home)]))[:_KEYS]
    write_privately(home.read_keys_path, msgspec.json.encode([each.hex() for each in secrets]))


def get_newest_secret(home: Home) -> bytes:
    """Return the read key that a home writes by; empty when it has none."""
    return next(iter(read_secrets(home)), b"")


def make_file_end(node: Node, *, in_the_clear: bool) -> FileEnd:
    """Return this end of exchanges by files.

    Raises ``UsageError`` when a market that one is invited to would be readable by whoever carries
    its files, unless that was asked for.
    """
    keys = ReadKeys(node.market.id, read_secrets(node.home))
    if not keys and not node.market.genesis.is_open and not in_the_clear:
        raise UsageError(
            "this home has no read key, so whoever carries its files could read a market that is"
            f" by invitation; take the key of a member with `{_SEE} take KEY`, or say"
            " --in-the-clear"
        )
    seals = bool(keys) and not in_the_clear
    memory = PlaceMemory(node.home)
    return FileEnd(node.gate, node.market.genesis_bytes, node.key.public, keys, seals, memory)


def show_read_keys(node: Node) -> Json:
    """Return the read keys of this home, the one that it writes by first."""
    return _describe(node, read_secrets(node.home))


def take_read_key(node: Node, *, key: str) -> Json:
    """Keep a read key that a member handed over, and write by it from now on."""
    try:
        secret = bytes.fromhex(key.strip())
    except ValueError:
        secret = b""
    if len(secret) != READ_KEY_BYTES:
        raise UsageError(
            f"a read key has {2 * READ_KEY_BYTES} hexadecimal digits, this has"
            f" {len(key.strip())} characters; copy it again from `{_SEE} show`"
        )
    keep_secret(node.home, secret)
    return show_read_keys(node)


def renew_read_key(node: Node) -> Json:
    """Make a new read key, and write by it from now on."""
    keep_secret(node.home, make_read_key())
    return show_read_keys(node)


def _describe(node: Node, secrets: Sequence[bytes]) -> Json:
    return {
        "read_keys": [
            {"name": compute_name(node.market.id, secret).hex(), "key": secret.hex()}
            for secret in secrets
        ]
    }
