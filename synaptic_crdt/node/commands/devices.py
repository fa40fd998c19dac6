"""Commands about the devices of this account."""

from collections.abc import Sequence

from synaptic_crdt.errors import UsageError
from synaptic_crdt.node.device_tickets import (
    decode_request,
    encode_device_ticket,
    make_device_ticket,
)
from synaptic_crdt.node.lookup import find_id
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.outcomes import describe_outcome
from synaptic_crdt.node.paper import append_as_paper, find_account, read_paper_key
from synaptic_crdt.node.peers import read_addresses
from synaptic_crdt.node.reading import get_newest_secret
from synaptic_crdt.node.tickets import choose_addresses
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.certificates import make_voucher
from synaptic_crdt.rules.operations import DeviceAdd, DeviceRevoke
from synaptic_crdt.rules.views import view_devices
from synaptic_crdt.sync.read_keys import seal_read_key


def add_device(node: Node, *, request: str, addresses: Sequence[str] = ()) -> Json:
    """Let the device of a request join this account; return its ticket, good for it alone."""
    asked = decode_request(request)
    # Before anything is written: a ticket that nobody could read would cost a place.
    known = choose_addresses(addresses, read_addresses(node.home))
    secret = get_newest_secret(node.home)
    read_key = seal_read_key(secret, asked.exchange) if secret else b""
    outcome = node.append(DeviceAdd(device=asked.device, exchange=asked.exchange))
    voucher = make_voucher(
        node.market.id,
        node.key,
        account=node.account,
        device=asked.device,
        exchange=asked.exchange,
        issued=outcome.entry.time,
    )
    ticket = make_device_ticket(
        node.market.genesis_bytes, node.account, asked.device, voucher, known, read_key
    )
    return describe_outcome(node, outcome) | {
        "added": asked.device.hex(),
        "ticket": encode_device_ticket(ticket),
    }


def revoke_device(node: Node, *, device: str, paper_key: str | None = None) -> Json:
    """End a younger device of this account, or any other with the paper key."""
    account = node.account
    views = view_devices(node.market.contract.market, account)
    found = find_id("device", device, [bytes.fromhex(view["device"]) for view in views])
    operation = DeviceRevoke(found)
    if paper_key is None:
        outcome = node.append(operation)
    else:
        paper = read_paper_key(paper_key)
        if find_account(node, paper) != account:
            raise UsageError("this paper key is another account's")
        outcome = append_as_paper(node, paper, account, operation)
    return describe_outcome(node, outcome) | {"revoked": found.hex()}
