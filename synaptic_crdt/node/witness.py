"""A witness's duty: to recompute a checkpoint before it cosigns, and to say why if it does not.

Signs one checkpoint of each view and index, durable before anybody sees it, and nothing of a view
once it gave its word for a later one. Refuses a time that its own clock denies, and what leaves out
entries that it has long held; both are measured by this process alone.

A checkpoint that is cosigned late is not held to this clock for being old (a witness that was away
could never cosign it, and the market would be stuck), unless it includes an entry stamped later
than it claims to be made: that shows it was made then, and back-dated.

A recovery key that knew of no handover may begin a view that witnesses had begun otherwise. Who
cosigned in the one cosigns nothing of the same index in the other, or its two words would prove a
lie; the market goes on with the next handover.

Answers a sequencer that signs two, splits the view, leaves entries out, back-dates or lies about
the root; and a witness's own double, by what peers hold of it.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Literal

import msgspec

from synaptic_crdt.errors import StoreFailed, UsageError
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.readiness import has_cause
from synaptic_crdt.state import limits
from synaptic_crdt.state.clock import get_ms
from synaptic_crdt.state.feeds import Entry
from synaptic_crdt.state.outcomes import Outcome
from synaptic_crdt.state.statements import Checkpoint, cosign_checkpoint, encode_statement

_PATIENCE_MS: Final = 60_000
_TICK_SECONDS: Final = 1.0


class Word(msgspec.Struct, frozen=True):
    """What a witness says of the checkpoint that is to count next, and why."""

    kind: Literal["cosigns", "cosigned", "idle", "waits", "refuses"]
    reason: str
    checkpoint: Checkpoint | None = None


async def run_witness(node: Node) -> None:
    """Cosign what is right until cancelled, as soon as it comes."""
    import trio

    has_news = trio.Event()

    def take_note(_: Sequence[bytes]) -> None:
        has_news.set()

    node.gate.news.subscribe(take_note)
    try:
        while True:
            has_news = trio.Event()
            # As for the sequencer: a full disk may be emptied again.
            with suppress(StoreFailed):
                if is_witness(node):
                    cosign(node)
            with trio.move_on_after(_TICK_SECONDS):
                await has_news.wait()
    finally:
        node.gate.news.unsubscribe(take_note)


def is_witness(node: Node) -> bool:
    """Does this device cosign checkpoints now?"""
    return node.key.public in node.replica.chain.view.witnesses


def cosign(node: Node) -> Word:
    """Cosign the checkpoint that is to count next if it is right; say what became of it.

    Raises ``UsageError`` when this device is no witness.
    """
    if not is_witness(node):
        raise UsageError("this device is no witness of this market; `state` shows who is")
    node.readiness.note(node.replica.machine, node.get_wall_ms())
    word = examine(node)
    if word.kind == "cosigns" and word.checkpoint is not None:
        checkpoint = word.checkpoint
        node.check_place()
        cosignature = cosign_checkpoint(node.market.id, node.key, checkpoint)
        node.gate.admit_statement(encode_statement(cosignature))
        node.cosigned[checkpoint.view, checkpoint.index] = checkpoint.id
    return word


def examine(node: Node) -> Word:
    """Return what this device, as a witness, says of the checkpoint that is to count next."""
    chain, own = node.replica.chain, node.key.public
    candidates = chain.get_candidates()
    if not candidates:
        return Word("idle", "no checkpoint waits for cosignatures")
    checkpoint = candidates[0]
    name = f"checkpoint {checkpoint.index}"
    signed = [each.checkpoint for each in chain.cosignatures.get_signed_by(own)]
    for candidate in candidates:
        if candidate.id in signed:
            return Word("cosigned", f"{name} is cosigned by this device", candidate)
    if chain.views.has_signed(own, chain.view.number + 1):
        return Word("refuses", f"{name}: this device gave its word for a later view", checkpoint)
    if any(damage.kind == "statement" for damage in node.damages):
        # What this device cosigned may be among what was lost.
        return Word("refuses", f"{name}: this home's store has lost statements", checkpoint)
    if not node.is_in_place:
        # What this device cosigned may be in another copy of this home.
        return Word("waits", f"{name}: this home may be a copy, so it syncs first", checkpoint)
    if len(candidates) > 1:
        return Word("refuses", f"{name}: the sequencer signed two of this index", checkpoint)
    if node.cosigned.get((checkpoint.view, checkpoint.index), checkpoint.id) != checkpoint.id:
        return Word(
            "refuses",
            f"{name}: this device cosigned another one of this index in another view"
            f" {checkpoint.view}, before a handover replaced that; hand over once more",
            checkpoint,
        )
    return _recompute(node, checkpoint, name)


def _recompute(node: Node, checkpoint: Checkpoint, name: str) -> Word:
    examination = node.replica.examine(checkpoint)
    if examination is None:
        return Word("waits", f"{name}: entries that it includes are not held yet", checkpoint)
    flaw = (
        _find_wrong_time(node, checkpoint, examination.included)
        or _find_left_out(node, checkpoint, examination.ended)
        or _find_wrong_root(checkpoint, examination.root)
    )
    if flaw is not None:
        return Word("refuses", f"{name} {flaw}", checkpoint)
    return Word("cosigns", f"{name} is right", checkpoint)


def _find_wrong_time(node: Node, checkpoint: Checkpoint, included: tuple[Entry, ...]) -> str | None:
    ahead_ms = checkpoint.time - node.get_wall_ms()
    if ahead_ms > _PATIENCE_MS:
        return f"claims a time {ahead_ms} ms ahead of this clock; one of the two clocks is wrong"
    newest_ms = max((get_ms(entry.time) for entry in included), default=0)
    if ahead_ms < -_PATIENCE_MS and newest_ms - checkpoint.time > _PATIENCE_MS:
        return (
            f"is back-dated: it claims a time {-ahead_ms} ms ago, and includes an entry stamped"
            f" {newest_ms - checkpoint.time} ms after that"
        )
    return None


def _find_left_out(node: Node, checkpoint: Checkpoint, ended: Sequence[bytes]) -> str | None:
    """Compare with the furthest checkpoint of what was long held with all that it refers to."""
    if len(checkpoint.frontier) == limits.FRONTIER_ITEMS:
        return None
    latest_ms = min(checkpoint.time, node.get_wall_ms()) - _PATIENCE_MS

    def is_overdue(outcome: Outcome) -> bool:
        since_ms = node.readiness.get_since(outcome.entry.id)
        return since_ms is not None and since_ms < latest_ms and has_cause(outcome)

    due, _ = node.replica.compute_epoch(checkpoint.time, is_overdue)
    chain = node.replica.chain
    included = {item.device: item.position for item in checkpoint.frontier}
    for item in due:
        position = included.get(item.device, chain.get_fixed_position(item.device))
        # What is new of a device has to wait when it is revoked.
        if position < item.position and item.device not in ended:
            entry_id = node.replica.get_feed(item.device).get_id(position + 1)
            return (
                f"leaves out entry {entry_id.hex()[:12]}, which was held here for over"
                f" {_PATIENCE_MS // 1_000} s, with all that it refers to"
            )
    return None


def _find_wrong_root(checkpoint: Checkpoint, root: bytes) -> str | None:
    if checkpoint.root == root:
        return None
    return f"claims root {checkpoint.root.hex()[:12]}, recomputed it is {root.hex()[:12]}"
