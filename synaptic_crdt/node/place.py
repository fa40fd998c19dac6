"""Where a home was last used from, so that a copy of it does not write a second history.

A copied home, or a backup that was put back, may lack entries that its device has signed
elsewhere. So a home remembers host, directory and store file; where one of them changed, the home
writes nothing before it has synced with the sequencer or with two peers, who hold what it lacks.
Peers' names are their own word; whoever lies here lets us do what we would have done anyway.

It cannot tell a copy that is used beside its original from one that took its place: what comes of
that is a fork, which is survived.
"""

import socket
from collections.abc import Collection
from pathlib import Path
from typing import Final

import msgspec

from synaptic_crdt.errors import UsageError
from synaptic_crdt.node.home import Home, write_privately

_PEERS_NEEDED: Final = 2


class Place(msgspec.Struct, frozen=True):
    """A host, a directory, and which file on its disk the store is."""

    host: str
    directory: str
    inode: int


class _Noted(msgspec.Struct, frozen=True):
    """The place that was last written from, and whom a home in another place has met there."""

    place: Place
    moved_to: Place | None = None
    met: tuple[str, ...] = ()


class PlaceGuard:
    """Lets a home write where it is known to be, and elsewhere once it has met who knows it."""

    def __init__(self, home: Home, own: bytes) -> None:
        self._path: Final = home.place_path
        self._own: Final = own
        self._here: Final = find_place(home)
        noted = _read(self._path)
        self._noted = noted or _Noted(self._here)
        # A home that is only being made has no place yet.
        if noted is None and home.is_complete:
            self._keep(self._noted)

    @property
    def is_moved(self) -> bool:
        """Is this another place than the one that was last written from?"""
        return self._noted.place != self._here

    def note_peer(self, device: bytes) -> None:
        """Take note of a finished sync with a device; another copy of this home is no witness."""
        if not self.is_moved or device == self._own:
            return
        met = self._get_met()
        if device.hex() not in met:
            self._keep(_Noted(self._noted.place, self._here, (*met, device.hex())))

    def check(self, sequencer: bytes | None, others: Collection[bytes]) -> None:
        """Raise ``UsageError`` when this home may not write yet; remember its place if it may.

        ``others`` are the devices of the market besides this one: where there are none, nobody
        can know more, and where there is one, that one is enough.
        """
        objection = self.find_objection(sequencer, others)
        if objection is not None:
            raise UsageError(objection)
        if self.is_moved:
            self._keep(_Noted(self._here))

    def find_objection(self, sequencer: bytes | None, others: Collection[bytes]) -> str | None:
        """Return why this home may not write yet, or None when it may."""
        if not self.is_moved:
            return None
        met, needed = self._get_met(), min(_PEERS_NEEDED, len(others))
        if len(met) >= needed or (sequencer is not None and sequencer.hex() in met):
            return None
        last = self._noted.place
        return (
            f"this home was last used on {last.host} in {last.directory}, or its store was put"
            " back from a backup; so that its device does not sign a second history, nothing is"
            f" written before a finished sync with the sequencer or with {needed - len(met)} more"
            " of its peers; or join as a new device in another home"
        )

    def _get_met(self) -> tuple[str, ...]:
        return self._noted.met if self._noted.moved_to == self._here else ()

    def _keep(self, noted: _Noted) -> None:
        self._noted = noted
        write_privately(self._path, msgspec.json.format(msgspec.json.encode(noted)) + b"\n")


def find_place(home: Home) -> Place:
    """Return where a home is now."""
    directory = home.path.resolve()
    text = str(directory).encode(errors="surrogateescape").decode(errors="backslashreplace")
    inode = home.store_path.stat().st_ino if home.is_complete else 0
    return Place(socket.gethostname(), text, inode)


def _read(path: Path) -> _Noted | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Noted)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise UsageError(f"{path}: {error}; restore the file") from error
