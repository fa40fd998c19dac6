"""Whether this machine's clock can be right, before anything is decided by it for everybody.

A final checkpoint whose time is a year ahead fires every deadline for ever. So a sequencer whose
clock is far ahead of all that this home has seen, and of the clocks of its peers, makes none unless
told that its clock is right. What a single peer says of its clock only ever helps: one that agrees
is enough. Whoever has other reasons to trust the clock overrules this.

It cannot tell a clock that was wrong from the first day on, when nobody else was heard yet.
"""

from typing import Final

from synaptic_crdt.node.node import Node
from synaptic_crdt.state.clock import get_ms
from synaptic_crdt.state.limits import CLOCK_SKEW_MS

# Ahead of everything that was seen, where no peer was heard: a market may rest for so long.
_REST_MS: Final = 7 * 86_400_000
_MS_PER_HOUR: Final = 3_600_000


def find_objection(node: Node) -> str | None:
    """Return why no checkpoint is to take its time from this clock; None when it may."""
    skews = node.skews.values()
    if node.is_clock_trusted or any(abs(skew_ms) <= CLOCK_SKEW_MS for skew_ms in skews):
        return None
    ahead_ms = node.get_wall_ms() - _get_newest_ms(node)
    are_behind = bool(skews) and max(skews) < -CLOCK_SKEW_MS
    if ahead_ms <= (CLOCK_SKEW_MS if are_behind else _REST_MS):
        return None
    peers = "all peers say so, too" if are_behind else "no peer has confirmed it"
    return (
        f"this machine's clock is {ahead_ms // _MS_PER_HOUR:,} hours ahead of all that this market"
        f" has seen, and {peers}; a checkpoint would fire every deadline until then for ever: set"
        " the clock, sync with a peer, or say `checkpoint --clock-is-right`"
    )


def find_warning(node: Node) -> str | None:
    """Return what is wrong with this clock, as far as can be seen, for who is about to write."""
    skews = sorted(node.skews.values())
    off_ms = skews[len(skews) // 2] if skews else 0
    if abs(off_ms) > CLOCK_SKEW_MS:
        word = "behind" if off_ms > 0 else "ahead of"
        return f"this machine's clock is {abs(off_ms) // 1_000:,} s {word} its peers'; set it"
    behind_ms = node.replica.chain.time_ms - node.get_wall_ms()
    if behind_ms > CLOCK_SKEW_MS:
        return f"this machine's clock is {behind_ms // 1_000:,} s behind the market's time; set it"
    return find_objection(node)


def _get_newest_ms(node: Node) -> int:
    """Return the newest time that does not come from this device's clock alone."""
    others = (
        get_ms(feed.tip.time)
        for feed in node.replica.feeds.values()
        if feed.device != node.key.public
    )
    return max(node.replica.chain.time_ms, node.market.genesis.created_ms, *others, 0)
