"""Addresses as text: which transport they name, and how far one may be trusted to name it."""

from typing import Final

TCP: Final = "tcp"
UNIX: Final = "unix"
STDIO: Final = "stdio"
EXEC: Final = "exec"
WS: Final = "ws"
WSS: Final = "wss"

# What may be dialled because somebody else said so: no command, and nothing of this machine alone.
_PUBLIC: Final = frozenset({TCP, WS, WSS})


def get_scheme(address: str) -> str:
    """Return the name of the transport that an address is for."""
    return address.partition(":")[0]


def is_public(address: str) -> bool:
    """May an address be taken from a ticket, and be put into one?"""
    return get_scheme(address) in _PUBLIC


def is_started_by_other(address: str) -> bool:
    """Is the other end, which started this program, the one that begins?"""
    return get_scheme(address) == STDIO
