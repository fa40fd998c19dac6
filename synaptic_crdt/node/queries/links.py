"""With whom this home exchanges entries: links of the process that owns it, and addresses kept."""

import msgspec

from synaptic_crdt.node.links import LinkState
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.peers import read_addresses
from synaptic_crdt.node.wire import Json


def list_peers(node: Node) -> Json:
    """Return the links of this process, those that stand first, and the addresses that are known.

    Only a process that listens or stays linked has links to tell of.
    """
    states = sorted(node.links, key=lambda each: (not each.is_linked, each.address))
    return {
        "links": [_describe(node, state) for state in states],
        "addresses": read_addresses(node.home),
        "root": node.replica.root.hex(),
    }


def _describe(node: Node, state: LinkState) -> Json:
    market = node.market.contract.market
    device = None if state.device is None else market.devices.get(state.device)
    account = None if device is None else market.accounts.get(device.account)
    return msgspec.to_builtins(state) | {
        "device": None if state.device is None else state.device.hex(),
        "account": None if device is None else device.account.hex(),
        "name": None if account is None else account.name,
    }
