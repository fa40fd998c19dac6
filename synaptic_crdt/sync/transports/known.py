"""What a home remembers of the files in a folder, so that it reads each of them once.

A file never changes under its name, so what was in it is known for good, but not that it is held:
a home may have been put back from a backup since. So of what was remembered only that counts which
is held here now, to the chain id; everything else is read again. What is remembered is a home's
own, and damage to it costs a reading.
"""

from collections.abc import Mapping

import msgspec

from synaptic_crdt.state.replica import Replica
from synaptic_crdt.sync.transports.contents import Contents, is_held


class Known(msgspec.Struct, frozen=True):
    """A file that was read, or written here.

    ``is_whole``: all that is in it is held here, or is known to be beyond its feed's end.
    """

    contents: Contents
    size: int
    is_whole: bool = True


def encode_known(files: Mapping[str, Known]) -> bytes:
    """Return what to remember of files by name: those of which everything is held."""
    return msgspec.msgpack.encode({name: file for name, file in files.items() if file.is_whole})


def recall(data: bytes, replica: Replica) -> dict[str, Known]:
    """Return the files that were remembered and of which everything is held here now."""
    try:
        files = msgspec.msgpack.decode(data, type=dict[str, Known])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    statements = frozenset(each.id for each in replica.walk_statements())
    return {
        name: file
        for name, file in files.items()
        if file.is_whole
        and file.contents.statements <= statements
        and is_held(replica, file.contents)
    }
