"""What links do, as events and as one running report for a person.

Whoever dials us, however often, costs this report no more memory or time than one link does, and
has no more told of it than somebody can read.
"""

import time
from types import TracebackType
from typing import Final, Self

from synaptic_crdt.errors import SynapticError
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.sieve import Sieve
from synaptic_crdt.node.wire import Emit, Json
from synaptic_crdt.sync.differences import Alarm
from synaptic_crdt.sync.events import ForkFound, Greeted, Reconciled
from synaptic_crdt.sync.happenings import Happening, Left, LeftOut, Linked, Lost, SyncReport
from synaptic_crdt.sync.transports.exchange import Passed

_FAILURES: Final = 64  # the newest, by address; every event was told when it happened


class LinkBook:
    """Follows all links of one service: tells their events, and adds up what moved."""

    def __init__(self, node: Node, emit: Emit, report: Json) -> None:
        self._node: Final = node
        self._emit: Final = emit
        self._sieve: Final = Sieve(self._emit_passed, time.monotonic)
        self._report: Final = report
        # Of links that ended together, and of the newest one by each address.
        self._ended: Final = {"sent": 0, "received": 0, "rejected": 0, "bytes": 0}
        self._running: Final[dict[str, SyncReport]] = {}
        # Were both ends the same when the newest link ended in good order?
        self._was_equal: bool | None = None
        self._failures: Final[dict[str, str]] = {}
        self._write_report()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Not while things come: each look at the root folds, and what comes next rolls it back.
        self._sieve.close()
        self._node.keep_reversals()
        self._report["root"] = self._node.replica.root.hex()

    def note(self, address: str, event: Happening) -> None:
        """Take note of what happened on a link, and tell it."""
        self._node.links.note(address, event, self._node.get_wall_ms())
        match event:
            case Linked(device):
                self._end(address)
                self._failures.pop(address, None)
                self._tell("linked", address, device=device.hex())
            case Lost(error, pause_seconds):
                self._end(address)
                self._tell_failure(address, error, pause_seconds)
            case Left():
                self._was_equal = self._end(address)
                self._sieve.end_progress(address, is_over=True)
            case Greeted():
                self._note_skew(address, event.skew_ms)
                self._tell("greeted", address, role=event.role, skew_ms=event.skew_ms)
            case Reconciled():
                # Whatever was taken back by what came is remembered from here on.
                self._node.keep_reversals()
                self._node.place.note_peer(event.device)
                self._tell("synced", address, equal=event.equal, root=event.ours.root.hex())
            case ForkFound(device, position):
                self._tell("fork", address, device=device.hex(), position=position)
            case LeftOut(device, reason):
                self._tell("left-out", address, device=device.hex(), explanation=reason)
            case Alarm(device, ours, theirs):
                self._tell(
                    "alarm",
                    address,
                    device=device.hex(),
                    explanation=(
                        "the same difference for the third time, and nothing moved: here are"
                        f" {ours.entries:,} entries that count and {ours.index:,} checkpoints, there"
                        f" {theirs.entries:,} and {theirs.index:,}. Run doctor on both sides, and"
                        " sync with somebody else: one of the two does not say what it has, or has"
                        " what nobody else may take"
                    ),
                )
            case SyncReport():
                self._running[address] = event
                self._sieve.pass_progress(_make_progress(address, event))
        self._write_report()

    def note_failure(
        self, address: str, error: SynapticError, pause_seconds: float | None = None
    ) -> None:
        """Take note that a link ended before both ends were done, or was never made."""
        self._node.links.note(address, Lost(error, pause_seconds), self._node.get_wall_ms())
        self._tell_failure(address, error, pause_seconds)

    def _tell_failure(
        self, address: str, error: SynapticError, pause_seconds: float | None
    ) -> None:
        self._failures.pop(address, None)
        self._failures[address] = str(error)
        if len(self._failures) > _FAILURES:
            del self._failures[next(iter(self._failures))]
        self._tell("lost", address, error=str(error), retry_seconds=pause_seconds)
        self._sieve.end_progress(address, is_over=True)
        self._write_report()

    def note_pass(self, address: str, event: Passed | Lost) -> None:
        """Take note of a look at a place where nobody is at the other end, and tell it."""
        if isinstance(event, Lost):
            self.note_failure(address, event.error, event.pause_seconds)
            return
        is_first = self._running.get(address) is None
        self._running[address] = event.report
        self._failures.pop(address, None)
        for skipped in event.skipped:
            self._emit(_make_event("skipped", address, file=skipped.name, why=skipped.why))
        if event.has_moved or is_first:
            self._node.keep_reversals()
            self._emit(_make_progress(address, event.report))
            root = None if event.report.root is None else event.report.root.hex()
            self._emit(_make_event("exchanged", address, equal=event.report.equal, root=root))
        self._write_report()

    def _end(self, address: str) -> bool | None:
        """Add up what a link has moved; return whether both ends were the same."""
        report = self._running.pop(address, None)
        if report is None:
            return None
        for name, count in _count(report).items():
            self._ended[name] += count
        return report.equal

    def _note_skew(self, address: str, skew_ms: int) -> None:
        skews = self._node.skews
        skews.pop(address, None)
        skews[address] = skew_ms
        if len(skews) > _FAILURES:
            del skews[next(iter(skews))]

    def _emit_passed(self, event: Json) -> None:
        """Tell what passed the sieve; ``doctor`` tells of what did not."""
        if event["event"] == "untold":
            self._node.links.note_untold(event, self._node.get_wall_ms())
        self._emit(event)

    def _tell(self, event: str, address: str, **fields: object) -> None:
        self._sieve.pass_on(_make_event(event, address, **fields))

    def _write_report(self) -> None:
        running = self._running.values()
        totals = dict(self._ended)
        for report in running:
            for name, count in _count(report).items():
                totals[name] += count
        known = [report.equal for report in running if report.equal is not None]
        self._report.update(
            totals,
            held=sum(report.counts.entries_held for report in running),
            equal=all(known) if known else self._was_equal,
            failed=dict(self._failures),
        )


def _make_event(event: str, address: str, **fields: object) -> Json:
    return {"event": event, "address": address, **fields}


def _make_progress(address: str, report: SyncReport) -> Json:
    counts = report.counts
    moved = {"sent": counts.entries_sent, "received": counts.entries_received}
    return _make_event("progress", address, **moved, bytes=_count_bytes(report))


def _count(report: SyncReport) -> dict[str, int]:
    return {
        "sent": report.counts.entries_sent,
        "received": report.counts.entries_received,
        "rejected": report.rejected,
        "bytes": _count_bytes(report),
    }


def _count_bytes(report: SyncReport) -> int:
    return report.counts.bytes_sent + report.counts.bytes_received
