"""Commands about keys of private work: handed to a provider, to others, and to whom not."""

from collections.abc import Sequence

from synaptic_crdt.errors import PolicyRefused
from synaptic_crdt.node.lookup import find_account, find_assignment
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.outcomes import describe_outcome
from synaptic_crdt.node.sealing import make_reveal, make_share
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.attestations import CONFIDENTIAL, is_attested, is_vouched_for
from synaptic_crdt.rules.seats.seat import get_seat, get_task
from synaptic_crdt.rules.task_operations import SharedContent


def reveal_key(node: Node, *, assignment: str) -> Json:
    """Hand the key of a private payload to who is to work on it.

    Raises ``PolicyRefused`` while the acceptance could still be reversed, and where the verifier of
    a confidential task no longer vouches for the provider.
    """
    found = find_assignment(node, assignment)
    operation = make_reveal(node, found)
    node.preview(operation)
    if not _is_provider_vouched_for(node, found):
        raise PolicyRefused(
            "the verifier of this confidential task no longer vouches for the provider; do nothing,"
            " and the task ends without blame when the time to reveal is over"
        )
    outcome = node.replica.machine.get_outcome(found)
    is_final = outcome is None or node.replica.is_final(outcome)
    # A key cannot be taken back. In a sandbox, where nothing is ever final, that is understood.
    if not is_final and not node.market.genesis.sandbox:
        raise PolicyRefused(
            "the acceptance is not final yet, so the key could reach somebody whom the seat is"
            " taken from again; wait for a checkpoint that counts"
        )
    return describe_outcome(node, node.append(operation)) | {
        "assignment": found.hex(),
        "devices": [key.device.hex() for key in operation.keys],
    }


def share_key(node: Node, *, assignment: str, to: str, content: SharedContent = "payload") -> Json:
    """Hand the key of a private payload, or of its result, to another account."""
    found = find_assignment(node, assignment)
    operation = make_share(node, found, content, find_account(node, to))
    return describe_outcome(node, node.append(operation)) | {
        "assignment": found.hex(),
        "content": content,
        "devices": [key.device.hex() for key in operation.keys],
    }


def list_vouched(node: Node, accounts: Sequence[bytes], verifier: bytes | None) -> list[bytes]:
    """Return those of some accounts that a verifier vouches for now; all if none has to."""
    market, now = node.market.contract.market, _get_now(node)
    return [
        account
        for account in accounts
        if verifier is None or is_attested(market, account, CONFIDENTIAL, verifier, now)
    ]


def _is_provider_vouched_for(node: Node, assignment: bytes) -> bool:
    market = node.market.contract.market
    row = market.assignments.get(assignment)
    assert row is not None
    task = get_task(market, get_seat(market, row.seat))
    return is_vouched_for(market, task, row.provider, _get_now(node))


def _get_now(node: Node) -> int:
    """Return what an entry written now would have for its time, in ms: at least."""
    return max(node.replica.machine.now, node.get_wall_ms())
