"""Commands of the sequencer, the witnesses, and whoever replaces them."""

from collections.abc import Sequence

from synaptic_crdt.errors import UsageError
from synaptic_crdt.node import clocks, handovers, witness
from synaptic_crdt.node.lookup import find_device, read_device
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.wire import Json
from synaptic_crdt.state.statements import Proposal


def make_checkpoint(node: Node, *, clock_is_right: bool = False) -> Json:
    """Close an epoch as the market's sequencer: what is ready becomes final.

    ``clock_is_right`` overrules what stands against this clock, until the process ends.
    """
    node.is_clock_trusted |= clock_is_right
    if node.is_sequencer and (objection := clocks.find_objection(node)) is not None:
        raise UsageError(objection)
    checkpoint = node.make_checkpoint()
    chain = node.replica.chain
    return {
        "checkpoint": checkpoint.id.hex(),
        "view": checkpoint.view,
        "index": checkpoint.index,
        "time_ms": checkpoint.time,
        "feeds": len(checkpoint.frontier),
        "root": checkpoint.root.hex(),
        "counts": chain.index >= checkpoint.index,
        "needed": chain.view.quorum,
        "final": node.replica.final_epoch >= checkpoint.index,
    }


def cosign(node: Node) -> Json:
    """Recompute the checkpoint that is to count next, and cosign it if it is right."""
    word = witness.cosign(node)
    checkpoint = word.checkpoint
    return {
        "word": word.kind,
        "reason": word.reason,
        "checkpoint": None if checkpoint is None else checkpoint.id.hex(),
        "index": None if checkpoint is None else checkpoint.index,
        "counts": checkpoint is not None and node.replica.chain.index >= checkpoint.index,
    }


def recover(
    node: Node,
    *,
    recovery_key: str,
    sequencer: str,
    witnesses: Sequence[str] = (),
    origin: str | None = None,
) -> Json:
    """Hand the market over with the recovery key."""
    try:
        seed = read_device(recovery_key.strip())
    except UsageError as error:
        raise UsageError("a recovery key has 64 hexadecimal digits; copy it again") from error
    named = [find_device(node, text) for text in witnesses] or None
    proposal = handovers.recover(node, seed, find_device(node, sequencer), named, origin)
    return _describe(node, proposal)


def propose_handover(node: Node, *, sequencer: str, witnesses: Sequence[str] = ()) -> Json:
    """Propose a handover as a witness."""
    named = [find_device(node, text) for text in witnesses] or None
    return _describe(node, handovers.propose(node, find_device(node, sequencer), named))


def sign_handover(node: Node, *, proposal: str | None = None) -> Json:
    """Give one's word, as a witness, for a proposal."""
    return _describe(node, handovers.sign(node, proposal))


def _describe(node: Node, proposal: Proposal) -> Json:
    chain = node.replica.chain
    signers = {each.id: words for each, words in chain.views.get_proposals(proposal.view)}
    return {
        **handovers.describe_proposal(proposal),
        "signed": [device.hex() for device in sorted(signers[proposal.id])],
        "begun": chain.view.number >= proposal.view,
    }
