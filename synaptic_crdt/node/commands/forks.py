"""Commands after a fork: writing again what a losing branch held, and reporting the proof."""

from collections.abc import Sequence

from synaptic_crdt.errors import UsageError
from synaptic_crdt.node.lookup import find_id
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.outcomes import describe_outcome
from synaptic_crdt.node.void import get_void
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.operations import ForkReport
from synaptic_crdt.rules.verdicts import Refusal
from synaptic_crdt.state.codec import decode_body
from synaptic_crdt.state.statements import encode_statement
from synaptic_crdt.state.store import VoidEntry


def reissue_entries(node: Node, *, entries: Sequence[str]) -> Json:
    """Write again, in the order they had, what void entries of this account asked for.

    Each is a new entry with a new id: what named the old one no longer fits. The first one that
    the contract refuses ends it; those before it are written.
    """
    own = {entry.id: entry for entry in get_void(node) if _is_own(node, entry)}
    chosen = {find_id("void entry", text, own) for text in entries}
    written: list[Json] = []
    for entry_id, entry in own.items():
        if entry_id in chosen:
            written.append(_reissue(node, entry) | {"instead_of": entry_id.hex()})
    return {"reissued": written}


def report_fork(node: Node, *, device: str) -> Json:
    """Write the proof that a device signed two histories into the market."""
    forks = node.replica.branches.forks
    found = find_id("forked device", device, forks.get_devices())
    proof = forks.get_proofs(found)[0]
    outcome = node.append(ForkReport(encode_statement(proof)))
    return describe_outcome(node, outcome) | {"forked": found.hex(), "at": proof.position}


def _reissue(node: Node, entry: VoidEntry) -> Json:
    _, fields = decode_body(entry.body)
    operation = node.market.contract.read(fields)
    if isinstance(operation, Refusal):
        raise UsageError(
            f"entry {entry.id.hex()[:12]} was never an operation of this market:"
            f" {operation.verdict.name}"
        )
    # It stands in the document already; the scan for secrets could not take it back.
    node.allowed_secrets = operation.__struct_fields__
    return describe_outcome(node, node.append(operation))


def _is_own(node: Node, entry: VoidEntry) -> bool:
    return node.market.get_account(entry.device) == node.account
