"""How a command reaches its home: reads, appends, services, and the passphrase when it is needed.

The passphrase comes from ``SYNAPTIC_PASSPHRASE``, else from a prompt on a terminal. It is asked
for only when the key turns out to be locked, and never shown or kept.
"""

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import click

from synaptic_crdt.cli.command import get_home_path, get_settings
from synaptic_crdt.cli.output import Json, print_note
from synaptic_crdt.errors import KeyLocked

if TYPE_CHECKING:
    from synaptic_crdt.node.client import Client
    from synaptic_crdt.node.home import Home

_CARRIED_BYTES: Final = 1024 * 1024
PASSPHRASE_VARIABLE: Final = "SYNAPTIC_PASSPHRASE"  # noqa: S105 - its name, not its value


def read(query: str, **args: object) -> Json:
    """Return the answer of one of the node's queries."""
    return _ask(lambda client: client.read(query, **args))


def append(command: str, **args: object) -> Json:
    """Carry out one of the node's commands."""
    allowed = get_settings().allow_secret
    if allowed:
        args["allow_secret"] = allowed
    answer = _ask(lambda client: client.append(command, **args))
    if "warning" in answer and not get_settings().as_json:
        print_note(f"warning: {answer['warning']}")
    return answer


def start(
    service: str, emit: Callable[[Json], None], *, lends_pipes: bool = False, **args: object
) -> Json:
    """Run one of the node's services until it ends or is interrupted; return its report."""
    return _ask(lambda client: client.start(service, emit, lends_pipes=lends_pipes, **args))


def open_home() -> "Home":
    """Return the home of this run; it may not hold a market yet."""
    from synaptic_crdt.node.home import Home, get_default_home

    return Home(get_home_path() or get_default_home())


def choose_passphrase() -> str:
    """Return the passphrase for a new key; empty when none is wanted, which is said plainly."""
    passphrase = os.environ.get(PASSPHRASE_VARIABLE)
    if passphrase is None and _is_interactive():
        passphrase = click.prompt(
            "passphrase for the device key (empty: none)",
            hide_input=True,
            confirmation_prompt=True,
            default="",
            show_default=False,
            err=True,
        )
    if not passphrase:
        print_note(
            "the device key is kept without a passphrase, readable by this user alone (mode 0600);"
            f" set {PASSPHRASE_VARIABLE} to encrypt it"
        )
    return passphrase or ""


def read_carried(argument: str) -> str:
    """Return what was carried here as a text; ``-`` reads it where no other user sees it."""
    if argument != "-":
        return argument
    # No such text is longer, so a longer one need not be read to its end to be refused.
    return sys.stdin.buffer.read(_CARRIED_BYTES).decode("ascii", errors="replace")


def try_passphrase(call: Callable[[str], Json]) -> Json:
    """Call with the passphrase of a key that exists, which is asked for if it turns out locked."""
    passphrase = os.environ.get(PASSPHRASE_VARIABLE, "")
    try:
        return call(passphrase)
    except KeyLocked:
        if passphrase or not _is_interactive():
            raise
    typed: str = click.prompt("passphrase", hide_input=True, err=True)
    return call(typed)


def _ask(call: Callable[["Client"], Json]) -> Json:
    from synaptic_crdt.node.client import Client

    home = open_home()
    return try_passphrase(lambda passphrase: call(Client(home, passphrase)))


def _is_interactive() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()
