"""Handing a market over: by the recovery key at once, or by the word of a majority of witnesses.

Whoever gives its word states the newest checkpoint that it cosigned or knows to count, and cosigns
nothing of an older view from then on; its word is durable before anybody sees it.
"""

from collections.abc import Sequence

from synaptic_crdt.errors import UsageError
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.wire import Json
from synaptic_crdt.state.checkpoints import CheckpointChain
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.statements import (
    Checkpoint,
    Proposal,
    encode_statement,
    make_proposal,
    sign_handover,
)

# The index and the id of a checkpoint; 0 and the market's id for the beginning.
Point = tuple[int, bytes]


def recover(
    node: Node,
    seed: bytes,
    sequencer: bytes,
    witnesses: Sequence[bytes] | None,
    origin: str | None,
) -> Proposal:
    """Hand over with the recovery key; with no witnesses given they stay who they are."""
    key = DeviceKey(seed)
    if key.public != node.market.genesis.recovery:
        raise UsageError("this is not the recovery key of this market; it was printed at `init`")
    _check_may_recover(node.replica.chain, key.public)
    point = _choose_reachable(node) if origin is None else _find_origin(node, origin)
    _check_entries_held(node, point)
    index, origin_id = point
    proposal = _make_proposal(node, point, sequencer, witnesses)
    handover = sign_handover(node.market.id, key, proposal, newest_index=index, newest=origin_id)
    node.gate.admit_statement(encode_statement(handover))
    return proposal


def propose(node: Node, sequencer: bytes, witnesses: Sequence[bytes] | None) -> Proposal:
    """Propose a handover as a witness, and give one's word for it."""
    _check_may_sign(node)
    proposal = _make_proposal(node, _choose_origin(node, has_entries=True), sequencer, witnesses)
    _sign(node, proposal)
    return proposal


def sign(node: Node, text: str | None) -> Proposal:
    """Give one's word, as a witness, for what another one proposed."""
    _check_may_sign(node)
    chain = node.replica.chain
    proposals = [
        proposal
        for proposal, _ in chain.views.get_proposals(chain.view.number + 1)
        if proposal.id.hex().startswith((text or "").lower())
    ]
    if len(proposals) != 1:
        raise UsageError(
            f"{len(proposals)} proposals are held that this could mean, expected one; sync with"
            " who proposed it, or name one (`handover show` lists them)"
        )
    [proposal] = proposals
    point = proposal.index, proposal.origin
    newest_index, _ = _get_newest(node)
    if newest_index > proposal.index:
        raise UsageError(
            f"the proposal goes on from checkpoint {proposal.index}, this device knows"
            f" {newest_index} to count or cosigned it; propose to go on from there"
        )
    if proposal.index <= chain.index and point != (chain.index, chain.head):
        raise UsageError(
            f"the proposal goes on from another checkpoint {proposal.index} than counts here; only"
            " the recovery key can undo that"
        )
    if point not in _get_points(chain):
        raise UsageError(
            f"checkpoint {proposal.index}, from which the proposal goes on, is not held here as"
            " one that may count next; sync with who proposed it"
        )
    _check_entries_held(node, point)
    _sign(node, proposal)
    return proposal


def describe_proposals(node: Node) -> list[Json]:
    """Return the proposals for the next view, and who gave its word for each."""
    chain = node.replica.chain
    return [
        {
            **describe_proposal(proposal),
            "signed": [device.hex() for device in sorted(signed)],
            "needed": chain.view.quorum,
        }
        for proposal, signed in chain.views.get_proposals(chain.view.number + 1)
    ]


def describe_proposal(proposal: Proposal) -> Json:
    """Return what a proposal says."""
    return {
        "proposal": proposal.id.hex(),
        "view": proposal.view,
        "from_index": proposal.index,
        "from": proposal.origin.hex(),
        "sequencer": proposal.sequencer.hex(),
        "witnesses": [witness.hex() for witness in proposal.witnesses],
    }


def _make_proposal(
    node: Node, origin: Point, sequencer: bytes, witnesses: Sequence[bytes] | None
) -> Proposal:
    chain = node.replica.chain
    named = chain.view.witnesses if witnesses is None else witnesses
    return make_proposal(
        node.market.id,
        view=chain.view.number + 1,
        index=origin[0],
        origin=origin[1],
        sequencer=sequencer,
        witnesses=named,
    )


def _check_may_recover(chain: CheckpointChain, recovery: bytes) -> None:
    """What witnesses agreed on may wait for a checkpoint that never comes: the key overrules it."""
    if chain.awaited is not None and chain.views.has_signed(recovery, chain.awaited.number):
        _refuse_awaited(chain)


def _refuse_awaited(chain: CheckpointChain) -> None:
    if chain.awaited is not None:
        raise UsageError(
            f"view {chain.awaited.number} is begun already, by a handover whose checkpoint"
            f" {chain.awaited.index} is not held here; sync first"
        )


def _check_may_sign(node: Node) -> None:
    chain, own = node.replica.chain, node.key.public
    _refuse_awaited(chain)
    if own not in chain.view.witnesses:
        raise UsageError("this device is no witness of this market; use the recovery key")
    if chain.views.has_signed(own, chain.view.number + 1):
        raise UsageError(
            f"this device gave its word for view {chain.view.number + 1} already, once for ever;"
            " the recovery key can still decide otherwise"
        )


def _sign(node: Node, proposal: Proposal) -> None:
    index, newest = _get_newest(node)
    handover = sign_handover(node.market.id, node.key, proposal, newest_index=index, newest=newest)
    node.gate.admit_statement(encode_statement(handover))


def _get_newest(node: Node) -> Point:
    """Return the newest checkpoint that this device cosigned or knows to count."""
    chain = node.replica.chain
    signed = chain.cosignatures.get_signed_by(node.key.public)
    ahead = [(each.index, each.checkpoint) for each in signed if each.index > chain.index]
    return max(ahead, default=(chain.index, chain.head))


def _choose_origin(node: Node, *, has_entries: bool) -> Point:
    """Return the newest checkpoint that may count anywhere: cosigned here, or by most.

    Witnesses leave out what names entries that are not here: had it counted anywhere, one of those
    who agree would have cosigned it, and would say so.
    """
    chain = node.replica.chain
    newest = _get_newest(node)
    if newest[0] > chain.index:
        return newest
    cosigned = [
        (len(chain.cosignatures.get_signers(each)), each.id, each)
        for each in chain.get_candidates()
        if chain.cosignatures.get_signers(each)
        and (not has_entries or _has_entries(node, _get_point(each)))
    ]
    if not cosigned:
        return chain.index, chain.head
    return _get_point(max(cosigned)[2])


def _choose_reachable(node: Node) -> Point:
    """Return the newest checkpoint that may count, but none that an undone view left behind."""
    chain = node.replica.chain
    newest = _choose_origin(node, has_entries=False)
    return newest if newest in _get_points(chain) else (chain.index, chain.head)


def _find_origin(node: Node, text: str) -> Point:
    known = [*_get_points(node.replica.chain), *_get_points_before(node)]
    points = [point for point in known if point[1].hex().startswith(text.lower())]
    if len(points) != 1:
        raise UsageError(
            f"{text!r:.80} names {len(points)} of the checkpoints to go on from, expected one of"
            f" {', '.join(point[1].hex()[:12] for point in known)}"
        )
    return points[0]


def _get_points_before(node: Node) -> list[Point]:
    """Return what the recovery key may go back to where entries are missing that checkpoints name.

    A sequencer may have named what nobody has: then nothing after it ever takes effect.
    """
    chain, epoch = node.replica.chain, node.replica.machine.epoch
    return [(epoch, chain.get_id(epoch))] if chain.view.index <= epoch < chain.index else []


def _check_entries_held(node: Node, point: Point) -> None:
    """Refuse to go on from what may name entries that nobody has: there is no way back from it."""
    if _has_entries(node, point):
        return
    chain, epoch = node.replica.chain, node.replica.machine.epoch
    # No view goes back behind what the one before it began from.
    is_reachable = chain.view.index <= epoch
    other = f", or go on from checkpoint {epoch} with `--from {chain.get_id(epoch).hex()[:12]}`"
    raise UsageError(
        f"checkpoint {point[0]}, {point[1].hex()[:12]}, names entries that are not held here, and a"
        " market that goes on from what nobody has can never go on; sync with a home that has them"
        + (other if is_reachable else "")
    )


def _has_entries(node: Node, point: Point) -> bool:
    replica = node.replica
    index, checkpoint_id = point
    if index <= replica.machine.epoch and replica.chain.get_id(index) == checkpoint_id:
        return True
    checkpoint = replica.chain.get_checkpoint(index, checkpoint_id)
    return checkpoint is not None and all(map(replica.branches.holds, checkpoint.frontier))


def _get_points(chain: CheckpointChain) -> list[Point]:
    """Return what a handover may go on from: what counts, and what may count next or beside it."""
    held = [*chain.get_candidates(), *chain.conflicts]
    return [(chain.index, chain.head), *(_get_point(checkpoint) for checkpoint in held)]


def _get_point(checkpoint: Checkpoint) -> Point:
    return checkpoint.index, checkpoint.id
