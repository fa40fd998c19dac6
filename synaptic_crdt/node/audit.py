"""Replaying a market from its bytes, and comparing what comes out with what was claimed.

A replay ends where the market held ends, or at the version that somebody's heads name: each feed
up to the entry whose change is among them, and of the checkpoints those that need no more.
"""

from collections.abc import Mapping, Sequence

from synaptic_crdt.errors import AuditFailed, UsageError
from synaptic_crdt.node.node import Market
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.invariants import check_market
from synaptic_crdt.state import limits
from synaptic_crdt.state.feeds import Tip, split_at_seals
from synaptic_crdt.state.heads import compute_short_form
from synaptic_crdt.state.loading import Damage


def audit_market(
    market: Market,
    damages: Sequence[Damage],
    root: str | None,
    heads: Sequence[str] | None = None,
) -> Json:
    """Return root, heads and counts of a replayed market, at the version that ``heads`` name.

    Raises ``AuditFailed`` naming the first thing that is not as it should be: damaged storage, a
    checkpoint with another root, a broken invariant, or a root other than ``root`` (hex).
    """
    if heads is not None:
        market = make_version(market, decode_heads(heads))
    replica = market.replica
    computed = replica.root.hex()
    if damages:
        raise AuditFailed(f"the stored bytes are damaged: {damages[0]}")
    if replica.divergences:
        first = replica.divergences[0]
        raise AuditFailed(
            f"checkpoint {first.index} claims root {first.claimed.hex()}, the replay gives"
            f" {first.computed.hex()}"
        )
    check_market(market.contract.market)
    if root is not None and root.lower() != computed:
        raise AuditFailed(f"the replay gives root {computed}, claimed was {root.lower()}")
    tail = replica.machine.get_tail()
    return {
        "market": market.id.hex(),
        "root": computed,
        "heads": compute_short_form(market.compute_heads()).hex(),
        "entries": replica.entries,
        "verified": replica.entries,
        "checkpoints": replica.chain.index,
        "epoch": replica.machine.epoch,
        "pending": len(tail),
        "supply": market.genesis.supply,
    }


def decode_heads(heads: Sequence[str]) -> frozenset[bytes]:
    """Return heads from their hexadecimal form. Raises ``UsageError``."""
    decoded: set[bytes] = set()
    for head in heads:
        try:
            decoded.add(bytes.fromhex(head))
        except ValueError as error:
            raise UsageError(f"{head!r:.80} is no head: heads are hashes in hexadecimal") from error
    if not decoded or any(len(head) != limits.HASH_BYTES for head in decoded):
        raise UsageError("heads are one or more hashes of 64 digits; see `export --heads`")
    return frozenset(decoded)


def make_version(market: Market, heads: frozenset[bytes]) -> Market:
    """Return the market as it was at a version; also by the short form of all that is held.

    Raises ``AuditFailed`` when a head is that of no entry held.
    """
    found = market.find_heads(heads)
    if not found and heads == frozenset((compute_short_form(market.compute_heads()),)):
        return market
    unknown = sorted(heads - found.keys())
    if unknown:
        raise AuditFailed(
            f"{len(unknown)} of {len(heads)} heads are of no entry held, the first"
            f" {unknown[0].hex()}; replay the file that they were made of, or sync first"
        )
    positions: dict[bytes, int] = {}
    for device, position in found.values():
        positions[device] = max(position, positions.get(device, 0))
    return _replay(market, positions)


def _replay(market: Market, positions: Mapping[bytes, int]) -> Market:
    version = Market(market.genesis_bytes)
    replica = version.replica
    for device, held in market.replica.feeds.items():
        feed = replica.get_feed(device)
        start = Tip(device, 0, held.origin, -1)
        for entries, tip in split_at_seals(start, held.entries[: positions.get(device, 0)], ()):
            # Seals are not needed: what was held had been verified, and this is offered to nobody.
            replica.extend(feed, entries, tip, None)
    for index in range(1, market.replica.chain.index + 1):
        checkpoint = market.replica.chain.get(index)
        assert checkpoint is not None
        if any(item.position > positions.get(item.device, 0) for item in checkpoint.frontier):
            break
        replica.adopt_checkpoint(checkpoint)
    return version
