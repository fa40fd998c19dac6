"""Replaying a market from its bytes, and comparing what comes out with what was claimed.

A replay ends where the market held ends; or at a checkpoint; or at the version that somebody's
heads name: each feed up to the entry whose change is among them, and of the checkpoints those that
need no more.

What differs is named as exactly as the bytes allow: a feed and a position, or a checkpoint. Which
row of the state it is cannot be seen from a root alone; whoever claims the root can prove rows
under it, to be compared one by one.
"""

from collections.abc import Mapping, Sequence
from typing import Final, cast

import msgspec

from synaptic_crdt.errors import AuditFailed, UsageError
from synaptic_crdt.node.lookup import find_id
from synaptic_crdt.node.node import Market
from synaptic_crdt.node.wire import Json
from synaptic_crdt.rules.invariants import check_market
from synaptic_crdt.state import limits
from synaptic_crdt.state.differences import find_difference
from synaptic_crdt.state.feeds import Tip, split_at_seals
from synaptic_crdt.state.heads import compute_short_form
from synaptic_crdt.state.loading import Damage
from synaptic_crdt.state.replica import Divergence, Replica

# A longer number is the beginning of an id.
_INDEX_DIGITS: Final = 9


class Claim(msgspec.Struct, frozen=True):
    """What somebody claims: a root (hex), of all that is held or of one version of it.

    A version is named by its heads (hex), or as that at a checkpoint, by number or id.
    """

    root: str | None = None
    heads: Sequence[str] | None = None
    at: str | None = None


def audit_market(market: Market, damages: Sequence[Damage], claim: Claim) -> Json:
    """Return root, heads and counts of a replayed market, or of the version claimed.

    Raises ``AuditFailed`` naming the first thing that is not as it should be: damaged storage, a
    checkpoint with another root, a broken invariant, or a root other than the one claimed.
    """
    if damages:
        raise AuditFailed(f"the stored bytes are damaged: {damages[0]}")
    held = market
    if claim.heads is not None:
        market = make_version(market, decode_heads(claim.heads))
    elif claim.at is not None:
        market = make_version_at(market, find_checkpoint(market.replica, claim.at))
    replica = market.replica
    computed = replica.root.hex()
    if replica.divergences:
        raise AuditFailed(_tell_divergence(replica, replica.divergences[0]))
    check_market(market.contract.market)
    if claim.root is not None and claim.root.lower() != computed:
        raise AuditFailed(
            f"the replay gives root {computed}, claimed was {claim.root.lower()}"
            f"{_tell_root(held.replica, claim.root.lower())}"
        )
    return {
        "market": market.id.hex(),
        "root": computed,
        "heads": compute_short_form(market.compute_heads()).hex(),
        "entries": replica.entries,
        "verified": replica.entries,
        "checkpoints": replica.chain.index,
        "epoch": replica.machine.epoch,
        "missing": _tell_missing(replica),
        "pending": len(replica.machine.get_tail()),
        "supply": market.genesis.supply,
    }


def check_same_state(held: Market, replayed: Market) -> None:
    """Raise ``AuditFailed`` unless a replay ends in the state that is held, naming where not."""
    ours, theirs = held.replica, replayed.replica
    if ours.root == theirs.root:
        return
    difference = find_difference(ours.machine, theirs.machine)
    place = "in their epoch or market time"
    if difference is not None:
        place = (
            f"first in table {difference.table}, key {_show(difference.key)}: held is"
            f" {_show(difference.one)}, replayed {_show(difference.other)}"
        )
    raise AuditFailed(
        f"the state held has root {ours.root.hex()}, its replay gives {theirs.root.hex()}; they"
        f" differ {place}"
    )


def _show(value: object) -> str:
    """Return a row or a key in one line, bytes as hexadecimal."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return f"[{', '.join(_show(item) for item in cast('Sequence[object]', value))}]"
    return "nothing" if value is None else repr(value)


def find_checkpoint(replica: Replica, text: str) -> int:
    """Return the number of the checkpoint that a number, an id or its beginning names."""
    count = replica.chain.index
    if text.isascii() and text.isdigit() and len(text) <= _INDEX_DIGITS:
        if not 1 <= int(text) <= count:
            raise UsageError(f"checkpoint {text} is not held here; those that are: 1 to {count}")
        return int(text)
    ids = {replica.chain.get_id(index): index for index in range(1, count + 1)}
    return ids[find_id("checkpoint", text, ids)]


def make_version_at(market: Market, index: int) -> Market:
    """Return the market as it was at the end of the epoch that a checkpoint closes.

    Raises ``AuditFailed`` when not everything is held that it names.
    """
    positions: dict[bytes, int] = {}
    for number in range(1, index + 1):
        checkpoint = market.replica.chain.get(number)
        assert checkpoint is not None
        positions.update((item.device, item.position) for item in checkpoint.frontier)
    version = _replay(market, positions, index)
    missing = _tell_missing(version.replica)
    if missing is not None:
        raise AuditFailed(missing)
    return version


def _tell_divergence(replica: Replica, divergence: Divergence) -> str:
    """Say where a replay leaves what was claimed, as narrowly as roots allow."""
    included = replica.machine.get_epoch(divergence.index)
    feeds = {place.device for place in included}
    before = divergence.index - 1
    return (
        f"checkpoint {divergence.index} claims root {divergence.claimed.hex()}, the replay gives"
        f" {divergence.computed.hex()}; the roots agree up to checkpoint {before}, so they part over its"
        f" {len(included)} entries of {len(feeds)} feeds, or over the deadlines it fired; over which"
        " row a root alone does not tell: whoever claims it can prove rows under it (`audit prove`)"
    )


def _tell_root(replica: Replica, claimed: str) -> str:
    """Say what a root that is not the replay's is instead, if that is known."""
    for index in range(1, replica.machine.epoch + 1):
        checkpoint = replica.chain.get(index)
        if checkpoint is not None and checkpoint.root.hex() == claimed:
            return f", which is that of checkpoint {index}: replay it with --at {index}"
    return ""


def _tell_missing(replica: Replica) -> str | None:
    """Say what the first checkpoint that is not in effect waits for, if one does."""
    replica.machine.fold()
    checkpoint = replica.chain.get(replica.machine.epoch + 1)
    if checkpoint is None:
        return None
    item = next(item for item in checkpoint.frontier if not replica.branches.holds(item))
    held = replica.get_feed(item.device).position
    # What is held of another branch stays until the one that is named comes.
    is_other = held >= item.position
    what = "whose entry there is another one here" if is_other else f"which is held up to {held}"
    return (
        f"checkpoint {checkpoint.index} names entry {item.id.hex()[:16]} at position"
        f" {item.position} of feed {item.device.hex()}, {what}: its root cannot be verified"
    )


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
    return _replay(market, positions, market.replica.chain.index)


def _replay(market: Market, positions: Mapping[bytes, int], last: int) -> Market:
    """Return the market of each feed's first entries, and of the first ``last`` checkpoints."""
    version = Market(market.genesis_bytes)
    replica = version.replica
    for device, held in market.replica.feeds.items():
        feed = replica.get_feed(device)
        start = Tip(device, 0, held.origin, -1)
        for entries, tip in split_at_seals(start, held.entries[: positions.get(device, 0)], ()):
            # Seals are not needed: what was held had been verified, and this is offered to nobody.
            replica.extend(feed, entries, tip, None)
    for index in range(1, last + 1):
        checkpoint = market.replica.chain.get(index)
        assert checkpoint is not None
        if any(item.position > positions.get(item.device, 0) for item in checkpoint.frontier):
            break
        replica.adopt_checkpoint(checkpoint)
    return version
