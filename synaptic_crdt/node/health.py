"""What is the matter with a market and with this home, in plain words.

Reads, and changes nothing. Every finding has a name that programs may rely on, a sentence for
people, and what to do next where anything can be done. What only a process that stays can know
(peers' clocks, since when entries wait) is told by the one that owns the home.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from synaptic_crdt.node import witness
from synaptic_crdt.node.clocks import find_objection
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.readiness import has_cause
from synaptic_crdt.state.clock import get_ms
from synaptic_crdt.state.limits import CLOCK_SKEW_MS

_SILENCE_MS: Final = 60_000
_MS_PER_SECOND: Final = 1_000
_FLOOD_MS: Final = 600_000  # for so long it is told of
_TOLD: Final = 16  # of a flood of feeds


class Finding(msgspec.Struct, frozen=True):
    """One thing that is not as it should be, or that somebody has to wait for."""

    name: str
    explanation: str
    advice: str = ""


def list_findings(node: Node) -> list[Finding]:
    """Return everything worth saying, the gravest first."""
    return [finding for check in _CHECKS for finding in check(node)]


def _find_damage(node: Node) -> Iterator[Finding]:
    for damage in node.damages:
        advice = "sync with a peer that holds it, which writes it anew"
        yield Finding("damaged", f"the store is damaged: {damage}", advice)
    for flaw in node.gate.flaws.values():
        advice = "end the process that owns this home; the next one says what can be repaired"
        yield Finding("damaged", f"the store is damaged: {flaw}", advice)


def _find_halt(node: Node) -> Iterator[Finding]:
    chain = node.replica.chain
    if not chain.is_halted:
        return
    index = chain.conflicts[0].index if chain.conflicts else chain.index + 1
    yield Finding(
        "halted",
        f"the market is halted: its sequencer {_name(chain.sequencer)} signed two checkpoints"
        f" {index}, and no majority of witnesses is behind one of them alone",
        "replace the sequencer: `handover --recovery-key KEY --sequencer DEVICE`, or its witnesses"
        " run `handover propose` and `handover sign`",
    )


def _find_lies(node: Node) -> Iterator[Finding]:
    chain = node.replica.chain
    if chain.conflicts and not chain.is_halted:
        yield Finding(
            "sequencer-lied",
            f"the sequencer {_name(chain.sequencer)} signed two checkpoints"
            f" {chain.conflicts[0].index}; the one that a majority cosigned counts",
            "its key may be stolen: think of a handover",
        )
    for device in chain.cosignatures.liars:
        whose = "this device" if device == node.key.public else f"witness {_name(device)}"
        yield Finding(
            "witness-lied",
            f"{whose} cosigned two checkpoints of one index",
            "its key may be stolen, or its home restored from a backup: name another witness at"
            " the next handover",
        )


def _find_awaited_view(node: Node) -> Iterator[Finding]:
    awaited = node.replica.chain.awaited
    if awaited is not None:
        yield Finding(
            "handover-awaited",
            f"the market was handed over to view {awaited.number}, from checkpoint {awaited.index}"
            f" {awaited.origin.hex()[:12]}, which is not held here",
            "sync with a peer that follows the new view",
        )


def _find_proposals(node: Node) -> Iterator[Finding]:
    chain = node.replica.chain
    for proposal, signed in chain.views.get_proposals(chain.view.number + 1):
        if chain.awaited is None:
            count = sum(device in signed for device in chain.view.witnesses)
            yield Finding(
                "handover-proposed",
                f"a handover to sequencer {_name(proposal.sequencer)} is proposed:"
                f" {count} of the {chain.view.quorum} witnesses needed gave their word",
                f"witnesses who agree run `handover sign {proposal.id.hex()[:12]}`",
            )


def _find_divergence(node: Node) -> Iterator[Finding]:
    replica = node.replica
    for item in replica.divergences:
        is_settled = item.index <= replica.final_epoch
        yield Finding(
            "diverged",
            f"checkpoint {item.index} claims root {item.claimed.hex()[:12]}, recomputed here it is"
            f" {item.computed.hex()[:12]}"
            + ("; a later root agrees again" if is_settled else "; nothing after it is final here"),
            ""
            if is_settled
            else "which row differs a root alone does not tell; compare with others: `audit` on their"
            " bundle and on yours, or rows that they prove under their root (`audit prove`)",
        )


def _find_missing_entries(node: Node) -> Iterator[Finding]:
    machine, chain = node.replica.machine, node.replica.chain
    if machine.epoch < chain.index:
        yield Finding(
            "entries-missing",
            f"checkpoint {machine.epoch + 1} of {chain.index} includes entries that are not held"
            " here; what it closed is provisional until they come",
            "sync with a peer that has them; if nobody has, as when the sequencer lied, the recovery"
            " key hands the market over from before: `handover --from"
            f" {chain.get_id(machine.epoch).hex()[:12]}`",
        )


def _find_cosigning(node: Node) -> Iterator[Finding]:
    chain = node.replica.chain
    for checkpoint in chain.get_candidates()[:1]:
        if chain.is_halted:
            return
        count = len(chain.cosignatures.get_signers(checkpoint))
        yield Finding(
            "cosignatures-awaited",
            f"checkpoint {checkpoint.index} waits for {count} of {chain.view.quorum} cosignatures",
            "sync with the witnesses; each cosigns while it runs `listen` or `sync --live`, or by"
            " `cosign`",
        )
    if witness.is_witness(node):
        word = witness.examine(node)
        if word.kind in {"refuses", "waits"}:
            yield Finding("cosigning-refused", f"this witness does not cosign: {word.reason}")


def _find_forks(node: Node) -> Iterator[Finding]:
    branches = node.replica.branches
    for device in branches.forks.get_devices():
        if position := branches.get_suspended_from(device):
            whose = "this device" if device == node.key.public else f"device {_name(device)}"
            yield Finding(
                "forked",
                f"{whose} signed two histories from position {position} on; its entries from there"
                " on wait until a checkpoint fixes one of them",
                "sync with the sequencer; whoever owns it uses one copy of its home alone",
            )


def _find_move(node: Node) -> Iterator[Finding]:
    if not node.is_in_place:
        yield Finding(
            "moved",
            "this home may be a copy, or put back from a backup: it writes nothing before it has"
            " heard from those who know what its device signed",
            "sync with the sequencer, or with two peers",
        )


def _find_silence(node: Node) -> Iterator[Finding]:
    chain, machine = node.replica.chain, node.replica.machine
    now_ms = node.get_wall_ms()
    if chain.sequencer is None or chain.get_candidates() or chain.is_halted:
        return
    waiting = [get_ms(each.entry.time) for each in machine.get_tail() if has_cause(each)]
    since_ms = now_ms - max(chain.time_ms, min(waiting, default=now_ms))
    if waiting and since_ms > _SILENCE_MS:
        yield Finding(
            "sequencer-silent",
            f"the sequencer {_name(chain.sequencer)} has included nothing for"
            f" {since_ms // _MS_PER_SECOND} s: {len(waiting)} entries wait",
            "sync with it; if it is lost, replace it: `handover --recovery-key KEY --sequencer"
            " DEVICE`",
        )


def _find_quotas(node: Node) -> Iterator[Finding]:
    quotas = node.gate.quotas
    if quotas is None:
        return
    for device, reason in sorted(quotas.left_out.items())[:_TOLD]:
        yield Finding(
            "over-quota",
            f"entries of device {_name(device)} are left out here: {reason}",
            "nothing: they come once checkpoints include what is before them",
        )


def _find_clock(node: Node) -> Iterator[Finding]:
    for address, skew_ms in node.skews.items():
        if abs(skew_ms) > CLOCK_SKEW_MS:
            word = "ahead of" if skew_ms > 0 else "behind"
            yield Finding(
                "clock-off",
                f"the clock at {address} is {abs(skew_ms) // _MS_PER_SECOND} s {word} this one",
                "set the one that is wrong; no clock decides what is admitted, but witnesses"
                " refuse what their clock denies",
            )


def _find_ahead(node: Node) -> Iterator[Finding]:
    ahead_ms = node.replica.chain.time_ms - node.get_wall_ms()
    if ahead_ms > CLOCK_SKEW_MS:
        yield Finding(
            "market-time-ahead",
            f"market time is {ahead_ms // _MS_PER_SECOND} s ahead of this clock",
            "one of the two clocks, the sequencer's or this one, is wrong",
        )


def _find_clock_ahead(node: Node) -> Iterator[Finding]:
    objection = find_objection(node) if node.is_sequencer else None
    if objection is not None:
        yield Finding("own-clock-ahead", "no checkpoint is made: " + objection)


def _find_flood(node: Node) -> Iterator[Finding]:
    flood = node.links.flood
    if flood is not None and node.get_wall_ms() - flood.at_ms < _FLOOD_MS:
        yield Finding(
            "flooded",
            f"so many links come and go that {flood.lines:,} lines about them were left out in a"
            f" minute, most of them about {flood.host}",
            "nothing, if others are served: `peers` tells; else close the way for that address in"
            " front of this machine",
        )


def _name(device: bytes | None) -> str:
    return "-" if device is None else device.hex()[:12]


_CHECKS: Final[tuple[Callable[[Node], Iterator[Finding]], ...]] = (
    _find_damage,
    _find_halt,
    _find_awaited_view,
    _find_divergence,
    _find_missing_entries,
    _find_lies,
    _find_proposals,
    _find_cosigning,
    _find_forks,
    _find_move,
    _find_silence,
    _find_quotas,
    _find_clock,
    _find_ahead,
    _find_clock_ahead,
    _find_flood,
)
