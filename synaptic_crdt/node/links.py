"""The links of one process, as they are and as they ended: what ``peers`` tells.

Kept in memory by whichever process owns the home. Whoever comes, however often, costs this table no
more than its bound: of too many, links that ended are forgotten first, the oldest before others.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from synaptic_crdt.node.wire import Json
from synaptic_crdt.sync.events import Greeted, Reconciled
from synaptic_crdt.sync.happenings import Happening, Left, Linked, Lost, SyncReport

REMEMBERED: Final = 256


class LinkState(msgspec.Struct):
    """One link: to whom, since when or until when, what it moved, and what went wrong last.

    ``again_ms`` is when it is made again, ``waits_until_ms`` until when who came has to wait for
    what it did.
    """

    address: str
    since_ms: int
    is_linked: bool = False
    device: bytes | None = None
    sent: int = 0
    received: int = 0
    held: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    equal: bool | None = None
    skew_ms: int | None = None
    error: str | None = None
    again_ms: int | None = None
    waits_until_ms: int | None = None


class Flood(msgspec.Struct, frozen=True):
    """So many links came and went by a moment that lines about them were left out.

    ``lines`` of them, most of them about ``host``.
    """

    at_ms: int
    lines: int
    host: str


class LinkTable:
    """The newest state of each address that was dialled or that somebody came from."""

    def __init__(self) -> None:
        self._states: Final[dict[str, LinkState]] = {}
        # The newest one, if there was any since this process began.
        self.flood: Flood | None = None

    def __iter__(self) -> Iterator[LinkState]:
        return iter(self._states.values())

    def note(self, address: str, event: Happening, now_ms: int) -> None:
        """Follow what happened on a link."""
        if isinstance(event, Linked):
            self._put(LinkState(address, now_ms, is_linked=True, device=event.device))
        elif isinstance(event, Lost):
            self._note_lost(address, event, now_ms)
        elif (state := self._states.get(address)) is not None:
            _follow(state, event, now_ms)

    def note_untold(self, event: Json, now_ms: int) -> None:
        """Take note of what was not told of links."""
        self.flood = Flood(now_ms, event["lines"], event["address"])

    def _note_lost(self, address: str, event: Lost, now_ms: int) -> None:
        state = self._states.get(address)
        if state is None:
            state = LinkState(address, now_ms)
            self._put(state)
        _end(state, now_ms)
        state.error = str(event.error)
        state.again_ms = _add_seconds(now_ms, event.pause_seconds)
        state.waits_until_ms = _add_seconds(now_ms, event.wait_seconds or None)

    def _put(self, state: LinkState) -> None:
        self._states.pop(state.address, None)
        self._states[state.address] = state
        if len(self._states) > REMEMBERED:
            ended = (each.address for each in self if not each.is_linked)
            del self._states[next(ended, next(iter(self._states)))]


def _follow(state: LinkState, event: Happening, now_ms: int) -> None:
    match event:
        case Greeted():
            state.skew_ms = event.skew_ms
        case Reconciled():
            state.equal, state.error = event.equal, None
        case SyncReport():
            counts = event.counts
            state.sent, state.received = counts.entries_sent, counts.entries_received
            state.held = counts.entries_held
            state.bytes_sent, state.bytes_received = counts.bytes_sent, counts.bytes_received
        case Left():
            _end(state, now_ms)
        case _:
            """Nothing of it is shown here."""


def _end(state: LinkState, now_ms: int) -> None:
    if state.is_linked:
        state.is_linked, state.since_ms = False, now_ms


def _add_seconds(now_ms: int, seconds: float | None) -> int | None:
    return None if seconds is None else now_ms + int(seconds * 1_000)
