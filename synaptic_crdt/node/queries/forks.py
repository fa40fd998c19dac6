"""What lies behind forks: held and not decided upon, or lost and kept apart."""

from synaptic_crdt.node.node import Node
from synaptic_crdt.node.void import get_void
from synaptic_crdt.node.wire import Json
from synaptic_crdt.state.clock import get_ms
from synaptic_crdt.state.codec import Value, decode_body


def show_void(node: Node) -> Json:
    """Return the entries on suspended branches that are held here, and on those that lost."""
    suspended = [outcome.entry for outcome in node.replica.machine.get_suspended()]
    return {
        "suspended": [
            _describe(node, entry.id, entry.device, entry.position, entry.body)
            for entry in suspended
        ],
        "void": [
            _describe(node, entry.id, entry.device, entry.position, entry.body)
            for entry in get_void(node)
        ],
    }


def list_forks(node: Node) -> list[Json]:
    """Return the forks that are proved here, and whether they are settled."""
    chain = node.replica.chain
    return [
        {
            "device": proof.device.hex(),
            "account": node.market.get_account(proof.device).hex(),
            "position": proof.position,
            "settled": proof.position <= chain.get_fixed_position(proof.device),
        }
        for proof in node.replica.branches.forks
    ]


def _describe(node: Node, entry_id: bytes, device: bytes, position: int, body: bytes) -> Json:
    time, operation = decode_body(body)
    account = node.market.get_account(device)
    return {
        "entry": entry_id.hex(),
        "device": device.hex(),
        "account": account.hex(),
        "position": position,
        "time": time,
        "time_ms": get_ms(time),
        "operation": operation[0],
        "fields": [_show(value) for value in operation[1:]],
        "own": account == node.account,
    }


def _show(value: Value) -> object:
    """Return a value as JSON can carry it: bytes as hexadecimal digits."""
    if isinstance(value, bytes):
        return value.hex()
    return [_show(item) for item in value] if isinstance(value, list) else value
