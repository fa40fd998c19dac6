"""What happens on links, as a person reads it while it happens.

On a terminal what moves is one line that is written over, with its rate; elsewhere it is a line
now and then. All else is a line of its own, at once.
"""

import sys
import time
from types import TracebackType
from typing import Final, Self

from synaptic_crdt.cli.output import Json, shorten
from synaptic_crdt.cli.visible import make_visible

# Beyond it two clocks disagree about what came first; links tell it, and nothing decides by it.
_SKEW_MS: Final = 60_000
_LINE_SECONDS: Final = 1.0
_CLEAR: Final = "\r\x1b[2K"
_ADDRESSES: Final = 256


class LinkTeller:
    """Turns events into lines; remembers of each address what was told of it last."""

    def __init__(self, *, only_trouble: bool = False) -> None:
        self._only_trouble: Final = only_trouble
        self._is_drawing: Final = sys.stderr.isatty() and not only_trouble
        # By address: when its progress was told, and how many bytes had moved by then.
        self._told: Final[dict[str, tuple[float, int]]] = {}
        self._is_line_drawn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def __call__(self, event: Json) -> str:
        """Return an event as one line; empty for what nobody needs to read."""
        if event["event"] == "progress":
            return self._tell_progress(event)
        if self._only_trouble and event["event"] not in _TROUBLES:
            return ""
        text = _describe(event)
        if text:
            self.end()
        return text

    def end(self) -> None:
        """Leave nothing on the terminal that is not to stay."""
        if self._is_line_drawn:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()
            self._is_line_drawn = False

    def _tell_progress(self, event: Json) -> str:
        if self._only_trouble or not (event["sent"] or event["received"]):
            return ""
        address: str = event["address"]
        now = time.monotonic()
        before, size = self._told.pop(address, (0.0, 0))
        if before and now - before < _LINE_SECONDS:
            self._told[address] = before, size
            return ""
        self._told[address] = now, event["bytes"]
        if len(self._told) > _ADDRESSES:
            del self._told[next(iter(self._told))]
        moved = f"sent {event['sent']:,}, received {event['received']:,} entries"
        text = f"{address}: {moved}, {event['bytes']:,} bytes in all"
        if not self._is_drawing:
            return text
        rate = f", {(event['bytes'] - size) / (now - before) / 1_024:,.0f} KiB/s" if before else ""
        sys.stderr.write(_CLEAR + make_visible(text + rate))
        sys.stderr.flush()
        self._is_line_drawn = True
        return ""


def _describe(event: Json) -> str:
    address: str = event["address"]
    match event["event"]:
        case "listening":
            return f"listening on {address}"
        case "linked":
            return f"{address}: linked with device {shorten(event['device'])}"
        case "greeted" if abs(event["skew_ms"]) > _SKEW_MS:
            seconds = event["skew_ms"] // 1_000
            word = "ahead of" if seconds > 0 else "behind"
            return f"{address}: its clock is {abs(seconds):,} s {word} this one; check both"
        case "synced":
            same = "both have" if event["equal"] else "the other end differs; here it is"
            return f"{address}: {same} root {shorten(event['root'])}"
        case "lost":
            again = event["retry_seconds"]
            return f"{address}: {event['error']}" + (f" (again in {again:.0f} s)" if again else "")
        case "left-out":
            return (
                f"{address}: what else device {shorten(event['device'])} wrote has to wait:"
                f" {event['explanation']}"
            )
        case "fork":
            return (
                f"{address}: device {shorten(event['device'])} has signed two histories from"
                f" position {event['position']} on"
            )
        case "alarm":
            return f"{address}: {event['explanation']}"
        case "untold":
            return (
                f"{address}: so many links come and go that {event['lines']:,} lines about them"
                f" are left out, {event['of_address']:,} of them about this address"
            )
        case _:
            return _describe_place(event)


def _describe_place(event: Json) -> str:
    """Return what happened at a place where nobody is at the other end."""
    address: str = event["address"]
    match event["event"]:
        case "exchanged" if event["equal"]:
            return f"{address}: all of it is here, and it has all that is here"
        case "exchanged":
            return f"{address}: not all of it could be read, or written, yet"
        case "skipped":
            return f"{address}: {event['file']} is left alone: {event['why']}"
        case _:
            return ""


_TROUBLES: Final = frozenset({"greeted", "lost", "fork", "alarm", "left-out", "skipped", "untold"})
