"""``unix:///path``: streams between processes of one machine, through a socket in the file system.

They run inside the secure channel like any other, whoever their user is.
"""

import socket
import struct
from functools import partial
from pathlib import Path
from typing import Final

import trio

from synaptic_crdt.errors import LinkFailed
from synaptic_crdt.sync import addresses
from synaptic_crdt.sync.transports.door import Door, leave_as_is

_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid of the other end


async def dial(address: str) -> trio.SocketStream:
    """Return a stream to who listens at a path. Raises ``UsageError`` or ``LinkFailed``."""
    path = _parse(address)
    try:
        return await trio.open_unix_socket(path)
    except (OSError, ValueError) as error:
        raise LinkFailed(f"{address}: {error}; is the other end listening?") from error


async def listen(address: str) -> list[Door]:
    """Return the door at a path, where nobody else may listen.

    What a listener that is gone has left there is removed. Raises ``UsageError`` or
    ``LinkFailed``.
    """
    path = _parse(address)
    door = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_leftover(path)
        await door.bind(str(path))
        door.listen()
    except (OSError, ValueError) as error:
        door.close()
        raise LinkFailed(f"{address}: {error}; choose another path") from error
    listener = _Listener(path, trio.SocketListener(door))
    return [Door(address, listener, partial(_name, address), leave_as_is)]


class _Listener(trio.abc.Listener[trio.SocketStream]):
    """Accepts streams at a path, and leaves nothing there when it is closed."""

    def __init__(self, path: Path, listener: trio.SocketListener) -> None:
        self._path: Final = path
        self._listener: Final = listener

    async def accept(self) -> trio.SocketStream:
        return await self._listener.accept()

    async def aclose(self) -> None:
        self._path.unlink(missing_ok=True)
        await self._listener.aclose()


def _name(address: str, stream: trio.SocketStream) -> str:
    data = stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return f"{address}, process {_CREDENTIALS.unpack(data)[0]}"


def _remove_leftover(path: Path) -> None:
    """Remove a socket that nobody answers at."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knocking:
        knocking.setblocking(False)
        try:
            knocking.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        except BlockingIOError:
            # Somebody is there, and busy.
            return


def _parse(address: str) -> Path:
    return Path(addresses.parse_path(address, addresses.UNIX))
