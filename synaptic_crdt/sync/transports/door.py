"""A place where this end is dialled, whatever the transport."""

from collections.abc import Callable
from typing import NamedTuple

import trio


class Door(NamedTuple):
    """An address that others dial, what accepts streams there, and how who comes is named."""

    address: str
    listener: trio.abc.Listener[trio.SocketStream]
    name_peer: Callable[[trio.SocketStream], str]
