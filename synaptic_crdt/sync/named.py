"""Up to where a feed is named by what counts, or waits to: that much of it is always let in."""

from bisect import bisect_left

from synaptic_crdt.state.checkpoints import CheckpointChain


def get_named_position(chain: CheckpointChain, device: bytes) -> int:
    """Return up to where checkpoints name a device's feed; 0 when they do not.

    Those that wait to be the next one count, too: a witness needs what it is to cosign.
    """
    named = chain.get_fixed_position(device)
    for candidate in chain.get_candidates():
        # Sorted by device.
        index = bisect_left(candidate.frontier, device, key=lambda item: item.device)
        if index < len(candidate.frontier) and candidate.frontier[index].device == device:
            named = max(named, candidate.frontier[index].position)
    return named
