"""What lay on losing branches of forks, as far as no other branch brought it back."""

from synaptic_crdt.node.node import Node
from synaptic_crdt.state.store import VoidEntry


def get_void(node: Node) -> list[VoidEntry]:
    """Return the void entries that this home keeps apart, by device and position.

    What was cut off with them and came back with the winning branch is not among them, nor what
    was damaged in storage, which opening the store has named.
    """
    void = node.store.read_void_entries()
    return [entry for entry in void if entry.is_sound and not _is_held(node, entry)]


def _is_held(node: Node, entry: VoidEntry) -> bool:
    feed = node.replica.get_feed(entry.device)
    return entry.position <= feed.position and feed.get_id(entry.position) == entry.id
