"""What can be read: every query by name, with the arguments a person gives."""

from collections.abc import Callable, Mapping
from typing import Final

from synaptic_crdt.node.bundles import write_bundle
from synaptic_crdt.node.carrying import list_blobs, write_blobs
from synaptic_crdt.node.cold_start import write_state_file
from synaptic_crdt.node.documents import list_heads, write_document
from synaptic_crdt.node.naming import call_named
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.proofs import prove
from synaptic_crdt.node.queries import (
    book,
    forks,
    history,
    links,
    market,
    members,
    movements,
    scores,
    status,
    tasks,
    wallet,
)
from synaptic_crdt.node.reading import show_read_keys
from synaptic_crdt.node.wire import Json

QUERIES: Final[Mapping[str, Callable[..., Json]]] = {
    "whoami": members.show_identity,
    "consent": members.show_consent,
    "terms": members.show_terms,
    "attest.list": members.list_attestations,
    "market.show": market.show_parameters,
    "invite.list": members.list_invitations,
    "accounts": members.list_accounts,
    "device.list": members.list_devices,
    "wallet": wallet.show_wallet,
    "wallet.history": movements.show_history,
    "book": book.show_book,
    "offer.list": book.list_offers,
    "task.list": tasks.list_tasks,
    "task.show": tasks.show_task,
    "task.payload": tasks.show_payload,
    "task.result": tasks.show_results,
    "reputation": scores.show_reputation,
    "prices": scores.show_prices,
    "quote": scores.show_quote,
    "state": market.show_state,
    "peers": links.list_peers,
    "status": status.show_status,
    "doctor": market.show_health,
    "handover.show": market.show_handovers,
    "audit": market.audit_home,
    "audit.prove": prove,
    "bundle.write": write_bundle,
    "blob.list": list_blobs,
    "blob.write": write_blobs,
    "bundle.state": write_state_file,
    "read-key.show": show_read_keys,
    "document.write": write_document,
    "heads": list_heads,
    "log": history.show_log,
    "log.void": forks.show_void,
}


def run_query(node: Node, name: str, args: Mapping[str, object]) -> Json:
    """Answer a query. Raises ``UsageError`` for an unknown one or wrong arguments."""
    return call_named(QUERIES, "query", node, name, args)
