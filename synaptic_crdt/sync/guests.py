"""Who is served at a time: places for strangers, who have not shown whose they are, and for links.

Strangers: of too many the oldest makes room, from the host that has the most. So connections that
do nothing never keep anybody out: an honest handshake takes a fraction of a second, and stays
unless so many others come meanwhile. A host that misbehaved is not shut out, since honest peers
may share it behind one router; it is left a few places at a time, for a time that grows.

Links: a device has a few, of which a new one replaces the one that moved least recently, as after
a connection that only one end knows to be dead. Of too many, a device of which something counts
takes the place of one of which nothing does; else one goes that moved nothing for a while, but of
no host that has fewer than who comes; else one of the host that has the most, if who comes has
fewer. Where there is none, who comes is turned away. So a host that fills all places, with whatever
devices, keeps nobody else out, and puts nobody else out. A device that lied waits.

Answers floods of connections, silent and half-open ones, members that hold places and do nothing,
and devices that come back to lie again.
"""

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

import trio

from synaptic_crdt.errors import (
    ChannelFailed,
    Forged,
    LinkFailed,
    MalformedInput,
    ProtocolViolation,
    SynapticError,
)
from synaptic_crdt.sync.backoff import REMEMBERED, Backoff
from synaptic_crdt.sync.membership import Refusal

LINKS: Final = 64  # at a time, of those who come; each may hold about two pieces in memory
LINKS_OF_DEVICE: Final = 4
STRANGERS: Final = 64  # at a time, of those who come and have not shown whose they are
STRANGERS_OF_BAD_HOST: Final = 2

_SILENT_SECONDS: Final = 60
_STALLED_SECONDS: Final = 10  # of a link whose ends are not done
_LONGEST_HOST_SECONDS: Final = 60.0
_LONGEST_DEVICE_SECONDS: Final = 3_600.0
_LIES: Final = (Forged, MalformedInput, ProtocolViolation, ChannelFailed)


class Guest:
    """One that is served: a stranger of a host, or the link of a device."""

    def __init__(self, host: str, device: bytes = b"", *, is_known: bool = False) -> None:
        self.host: Final = host
        self.device: Final = device
        self.is_known: Final = is_known
        self.scope: Final = trio.CancelScope()
        self.moved_at = trio.current_time()
        # Are both ends done, so that it is in order that nothing moves?
        self.is_at_rest = False

    @property
    def is_idle(self) -> bool:
        """Did nothing come or go for so long that others may have its place?"""
        allowed = _SILENT_SECONDS if self.is_at_rest else _STALLED_SECONDS
        return trio.current_time() - self.moved_at >= allowed

    def note_moved(self) -> None:
        """Take note that something came or went."""
        self.moved_at = trio.current_time()


class Guests:
    """Gives places to who comes, and takes them away."""

    def __init__(self, is_known: Callable[[bytes], bool]) -> None:
        """``is_known`` tells whether anything of a device's feed counts."""
        self._is_known: Final = is_known
        # In order of arrival.
        self._strangers: Final[dict[Guest, None]] = {}
        self._links: Final[dict[Guest, None]] = {}
        self._hosts: Final[Backoff[str]] = Backoff(_LONGEST_HOST_SECONDS)
        self._devices: Final[Backoff[bytes]] = Backoff(_LONGEST_DEVICE_SECONDS)
        # From where devices of the market came, the newest at the end.
        self._good: Final[dict[str, None]] = {}

    def is_good(self, host: str) -> bool:
        """Did a device of the market come from a host, as far as is remembered?"""
        return host in self._good

    @contextmanager
    def keep_stranger(self, host: str) -> Generator[None]:
        """Give a place to a stranger, for as long as it takes to show whose it is.

        Raises ``LinkFailed`` when others came and it had to make room.
        """
        guest = Guest(host)
        self._make_room_for_stranger(host)
        self._strangers[guest] = None
        try:
            with guest.scope:
                yield
        except SynapticError:
            self._hosts.note_bad(host, trio.current_time())
            raise
        finally:
            self._strangers.pop(guest, None)
        if guest.scope.cancelled_caught:
            raise LinkFailed("it showed nothing, and others waited for its place")
        self._hosts.note_good(host)

    @contextmanager
    def keep_link(self, guest: Guest) -> Generator[None]:
        """Keep the place that ``make_guest`` gave, until the link ends or another one needs it.

        Raises ``LinkFailed`` when it had to make room.
        """
        try:
            with guest.scope:
                yield
        except _LIES:
            self._devices.note_bad(guest.device, trio.current_time())
            raise
        finally:
            self._links.pop(guest, None)
        if guest.scope.cancelled_caught:
            raise LinkFailed("its place was needed for another link")
        self._devices.note_good(guest.device)

    def make_guest(self, host: str, device: bytes) -> Guest | Refusal:
        """Give a place to the link of a device, or say why it has none."""
        if self._devices.get_seconds(device, trio.current_time()):
            return Refusal.WAIT
        guest = Guest(host, device, is_known=self._is_known(device))
        own = [each for each in self._links if each.device == device]
        if len(own) >= LINKS_OF_DEVICE:
            self._turn_out(min(own, key=lambda each: each.moved_at))
        elif len(self._links) >= LINKS:
            silent = self._find_dispensable(guest)
            if silent is None:
                return Refusal.FULL
            self._turn_out(silent)
        self._links[guest] = None
        self._note_good(host)
        return guest

    def get_wait_seconds(self, host: str, device: bytes | None) -> float:
        """Return how long a host has few places, or its device none."""
        now = trio.current_time()
        seconds = 0.0 if device is None else self._devices.get_seconds(device, now)
        return max(seconds, self._hosts.get_seconds(host, now))

    def _note_good(self, host: str) -> None:
        self._good.pop(host, None)
        self._good[host] = None
        if len(self._good) > REMEMBERED:
            del self._good[next(iter(self._good))]

    def _make_room_for_stranger(self, host: str) -> None:
        if self._hosts.get_seconds(host, trio.current_time()):
            own = [each for each in self._strangers if each.host == host]
            if len(own) >= STRANGERS_OF_BAD_HOST:
                self._turn_out(own[0])
        if len(self._strangers) >= STRANGERS:
            [(most, _)] = Counter(each.host for each in self._strangers).most_common(1)
            self._turn_out(next(each for each in self._strangers if each.host == most))

    def _find_dispensable(self, guest: Guest) -> Guest | None:
        """Return whose place a link may have, or None when it may have nobody's."""
        hosts = Counter(each.host for each in self._links)
        own = hosts[guest.host]
        found = [
            each
            for each in self._links
            if guest.is_known > each.is_known or (each.is_idle and hosts[each.host] >= own)
        ]
        [(most, count)] = hosts.most_common(1)
        if not found and count > own + 1:
            found = [each for each in self._links if each.host == most]
        return min(found, key=lambda each: (each.is_known, each.moved_at), default=None)

    def _turn_out(self, guest: Guest) -> None:
        self._strangers.pop(guest, None)
        self._links.pop(guest, None)
        guest.scope.cancel()
