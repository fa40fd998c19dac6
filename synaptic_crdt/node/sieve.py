"""What is told of links: as much as a person reads and a log holds, however many come and go.

Of each host some lines at once and then one a second, of all of them some more; of a link's
progress one line now and then. What is over that is counted, and told in one line a minute: how
much it was, and of whom most. Nothing depends on what is told: sums and states are kept elsewhere.

Answers floods of links as floods of lines: a full disk, a log whose older lines are pushed out, and
a program that is busy with writing.
"""

from collections.abc import Callable
from typing import Final

from synaptic_crdt.node.wire import Emit, Json
from synaptic_crdt.sync.addresses import get_host
from synaptic_crdt.sync.allowance import Allowance

HOST_LINES: Final = 64  # of one host at once; another one each second
ALL_LINES: Final = 512  # of all of them at once; another one each quarter of a second
SUMMARY_SECONDS: Final = 60.0
PROGRESS_SECONDS: Final = 0.5  # between two lines about one link

_HOSTS: Final = 256
_ALL_PER_SECOND: Final = 4.0


class Sieve:
    """Passes events of links on, or counts them; told the time in seconds by a steady clock."""

    def __init__(self, emit: Emit, get_seconds: Callable[[], float]) -> None:
        self._emit: Final = emit
        self._get_seconds: Final = get_seconds
        now = get_seconds()
        self._all: Final = Allowance(ALL_LINES, _ALL_PER_SECOND, now)
        # By host, the one that was heard of last at the end; by address, the links that are told of.
        self._hosts: Final[dict[str, Allowance]] = {}
        self._links: Final[dict[str, _Progress]] = {}
        # What was not told since the last summary, by host and in all; the first is told of at once.
        self._untold: Final[dict[str, int]] = {}
        self._lines = 0
        self._told_at = now - SUMMARY_SECONDS

    def pass_on(self, event: Json) -> None:
        """Tell an event, or count it."""
        address: str = event["address"]
        self.end_progress(address)
        if self._is_allowed(address):
            if event["event"] == "linked":
                self._links[address] = _Progress(self._get_seconds())
            self._emit(event)
        self._summarise()

    def pass_progress(self, event: Json) -> None:
        """Tell of the progress of a link that was told of, unless that was done just now."""
        link = self._links.get(event["address"])
        if link is not None:
            link.event = event
            if self._get_seconds() - link.told_at >= PROGRESS_SECONDS:
                self.end_progress(event["address"])

    def end_progress(self, address: str, *, is_over: bool = False) -> None:
        """Tell the newest progress of a link, if that was not done; ``is_over``: no more comes."""
        link = self._links.get(address)
        if link is not None and link.event is not None:
            self._emit(link.event)
            link.event, link.told_at = None, self._get_seconds()
        if is_over:
            self._links.pop(address, None)

    def close(self) -> None:
        """Tell what is left to tell."""
        for address in tuple(self._links):
            self.end_progress(address, is_over=True)
        self._summarise(is_last=True)

    def _is_allowed(self, address: str) -> bool:
        host, now = get_host(address), self._get_seconds()
        allowance = self._hosts.pop(host, None) or Allowance(HOST_LINES, 1.0, now)
        self._hosts[host] = allowance
        if len(self._hosts) > _HOSTS:
            del self._hosts[next(iter(self._hosts))]
        if allowance.try_take(now) and self._all.try_take(now):
            return True
        self._count(host)
        return False

    def _count(self, host: str) -> None:
        self._lines += 1
        if host in self._untold or len(self._untold) < _HOSTS:
            self._untold[host] = self._untold.get(host, 0) + 1

    def _summarise(self, *, is_last: bool = False) -> None:
        now = self._get_seconds()
        if not self._lines or (now - self._told_at < SUMMARY_SECONDS and not is_last):
            return
        host = max(self._untold, key=lambda each: self._untold[each])
        self._emit(
            {
                "event": "untold",
                "address": host,
                "lines": self._lines,
                "of_address": self._untold[host],
            }
        )
        self._untold.clear()
        self._lines, self._told_at = 0, now


class _Progress:
    """Of one link that was told of: when its progress was told, and what is not told of it."""

    __slots__ = ("event", "told_at")

    def __init__(self, now: float) -> None:
        # So that the first one is told at once.
        self.told_at = now - PROGRESS_SECONDS
        self.event: Json | None = None
