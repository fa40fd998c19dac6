"""Beginning at a checkpoint: files with its state, written by one home and begun with by another.

Whoever signs a checkpoint can sign the root of anything. So what is begun with is not only under a
root that counts: it has to be a state that the rules can go on from, or nothing is begun.
"""

from pathlib import Path
from typing import Final

import msgspec

from synaptic_crdt.errors import Forged, StoreDamaged, SynapticError, UsageError
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.naming import PathText
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.invariants import check_market
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.store import Store
from synaptic_crdt.sync.transports.state_file import read_state, write_state

# What rows of the wrong shape come to, wherever they are first looked at.
_NO_STATE: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    msgspec.ValidationError,
)


def write_state_file(node: Node, *, path: PathText) -> Json:
    """Write the newest saved state, and what has to come with it, to a file."""
    node.replica.machine.fold()
    state = node.store.saved.find_state(node.replica.chain)
    if state is None:
        raise UsageError("no checkpoint is in effect here whose root is this home's too")
    if node.replica.divergences:
        raise UsageError("the roots of this home and of its checkpoints differ; see `doctor`")
    write_state(Path(path), node.replica, node.store, state, node.market.genesis_bytes)
    return {"path": path, "epoch": state.epoch, "bytes": Path(path).stat().st_size}


def begin_node(home: Home, key: DeviceKey, store: Store, path: Path) -> Node:
    """Return a node on a new store that begins with a file, all of which is verified.

    Raises ``MalformedInput`` or ``Forged`` naming what is wrong: then the store is to be dropped.
    """
    epoch = read_state(path, store)
    try:
        node = Node(home, key, store)
        _check_begun(node, path, epoch)
    except StoreDamaged as error:
        raise Forged(f"{path}: {error}; nothing of it was taken, get another file") from error
    except _NO_STATE as error:
        raise Forged(
            f"{path}: what checkpoint {epoch} claims is no state of a market ({error!a:.120});"
            " nothing of it was taken. Whoever signed that checkpoint lied, or had a damaged"
            " program: join without a state, and tell the others"
        ) from error
    return node


def _check_begun(node: Node, path: Path, epoch: int) -> None:
    machine = node.replica.machine
    if node.damages or machine.epoch < epoch:
        reason = node.damages[0] if node.damages else f"no checkpoint {epoch} counts with its root"
        raise Forged(f"{path}: {reason}; nothing of it was taken, get another file")
    try:
        for number in range(1, epoch + 1):
            machine.get_epoch(number)
        for feed in node.replica.feeds.values():
            position = 1
            while position < feed.position:
                feed.get_id(position)
                ends = feed.get_window_ends(position, feed.position)
                position = ends[0] + 1 if ends else feed.position
    except SynapticError as error:
        raise Forged(f"{path}: {error}; nothing of it was taken, get another file") from error
    check_market(node.market.contract.market)
