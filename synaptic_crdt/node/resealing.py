"""Sealing anew what this device once sealed, where the seal was damaged in its store.

A window without its seal is sound, since a later seal vouches for it, but cannot be passed on: a
home that only this device feeds would never hand it out again. Whoever holds the key mends that.
"""

from collections.abc import Sequence

from synaptic_crdt.state.feeds import make_seal_message
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.loading import Damage
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.store import Store


def reseal(
    store: Store, replica: Replica, key: DeviceKey, damages: Sequence[Damage]
) -> tuple[Damage, ...]:
    """Write the damaged seals of the key's own windows anew; return the damages that are left."""
    feed = replica.get_feed(key.public)
    left: list[Damage] = []
    for damage in damages:
        # Its ids were computed from the bodies, and are those that a newer seal covers.
        if damage.kind != "seal" or damage.device != key.public:
            left.append(damage)
            continue
        message = make_seal_message(replica.market, damage.position, feed.get_id(damage.position))
        signature = key.sign("seal", message)
        store.write_seal(key.public, damage.position, signature)
        feed.seals[damage.position] = signature
    return tuple(left)
