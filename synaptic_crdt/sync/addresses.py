"""Addresses as text: which transport they name, and how far one may be trusted to name it."""

import os
from typing import Final

from synaptic_crdt.errors import UsageError

TCP: Final = "tcp"
UNIX: Final = "unix"
STDIO: Final = "stdio"
EXEC: Final = "exec"
WS: Final = "ws"
WSS: Final = "wss"
FILE: Final = "file"
DIR: Final = "dir"

# What may be dialled because somebody else said so: no command, and nothing of this machine alone.
_PUBLIC: Final = frozenset({TCP, WS, WSS})

# Nobody is there: what lies there is read, and what it lacks is written.
_EXCHANGED: Final = frozenset({FILE, DIR})
_SHOWN_CHARACTERS: Final = 120


def get_scheme(address: str) -> str:
    """Return the name of the transport that an address is for."""
    return address.partition(":")[0]


def get_host(address: str) -> str:
    """Return whom an address that somebody comes from is of, without its port or process."""
    if get_scheme(address) == UNIX:
        return UNIX
    return address.partition("://")[2].rpartition(":")[0] or address


def is_public(address: str) -> bool:
    """May an address be taken from a ticket, and be put into one?"""
    return get_scheme(address) in _PUBLIC


def is_started_by_other(address: str) -> bool:
    """Is the other end, which started this program, the one that begins?"""
    return get_scheme(address) == STDIO


def is_exchanged(address: str) -> bool:
    """Is an address that of a place where nobody is at the other end?"""
    return get_scheme(address) in _EXCHANGED


def parse_path(address: str, scheme: str) -> str:
    """Return the path in an address of the form ``scheme:///path``. Raises ``UsageError``."""
    prefix = f"{scheme}://"
    path = address.removeprefix(prefix)
    if path == address or not path.startswith("/") or "\0" in path:
        raise UsageError(f"{address!r:.200} is not an address of the form {prefix}/path")
    return path


def show_name(name: str) -> str:
    """Return the name of a file of others as it can be shown: printable, and not too long."""
    text = os.fsencode(name).decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else "?" for c in text)[:_SHOWN_CHARACTERS]
