"""The market that is flooded: a founder's home with some thousand entries, and three honest homes.

All other members are keys made of numbers, so that whoever attacks can be any of them.
"""

import time
from pathlib import Path
from typing import Final

import msgspec

from synaptic_crdt.node.commands import run_command
from synaptic_crdt.node.founding import found_market, join_market
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.node import Node
from synaptic_crdt.rules.certificates import make_certificate, make_proof
from synaptic_crdt.rules.operations import (
    AccountOpen,
    Certificate,
    InviteIssue,
    Operation,
    TokenTransfer,
    encode_operation,
)
from synaptic_crdt.state import limits
from synaptic_crdt.state.clock import pack_timestamp
from synaptic_crdt.state.feeds import Piece, Tip, encode_body, seal_bodies
from synaptic_crdt.state.keys import DeviceKey

FOUNDER: Final = "founder"
HONEST: Final = ("hilda", "henry", "hugo")
PASSPHRASE: Final = ""

_DAY_MS: Final = 86_400_000
_FILE: Final = "scene.json"


class Scene(msgspec.Struct, frozen=True):
    """What an attacker knows: the market, and how many members there are whose keys it has."""

    genesis: bytes
    members: int
    entries: int


def make_scene(folder: Path, *, members: int, entries: int) -> Scene:
    """Make the homes in a folder, each member's feed ``entries`` long."""
    home = Home(folder / FOUNDER)
    wall_ms = time.time_ns() // 1_000_000
    found_market(home, PASSPHRASE, name="Flooded", account_name="Fay", wall_ms=wall_ms)
    founder = Node.open(home, PASSPHRASE)
    try:
        scene = Scene(founder.market.genesis_bytes, members, entries)
        for number in range(members):
            _write_member(founder, number, entries)
        founder.make_checkpoint()
        for name in HONEST:
            ticket = run_command(founder, "invite", {"grant": 0})["ticket"]
            join_market(Home(folder / name), PASSPHRASE, ticket, name)
    finally:
        founder.close()
    (folder / _FILE).write_bytes(msgspec.json.encode(scene))
    return scene


def read_scene(folder: Path) -> Scene:
    """Return the scene that was made in a folder."""
    return msgspec.json.decode((folder / _FILE).read_bytes(), type=Scene)


def make_member_key(number: int) -> DeviceKey:
    """Return the key of a member that attacks."""
    return DeviceKey((number + 1).to_bytes(limits.HASH_BYTES, "big"))


def make_opening(market: bytes, key: DeviceKey, certificate: Certificate) -> AccountOpen:
    """Return how an account opens with a certificate whose one-time key is ``key`` itself."""
    proof = make_proof(market, key, key.public)
    return AccountOpen("member", key.get_exchange_public(), None, certificate, proof)


def invite(
    market: bytes, inviter: DeviceKey, invited: DeviceKey, issued: int, wall_ms: int
) -> tuple[InviteIssue, Certificate]:
    """Return the operation and the certificate of an invitation of ``invited``."""
    expiry_ms = wall_ms + _DAY_MS
    operation = InviteIssue(
        one_time=invited.public, role="member", grant=0, expiry_ms=expiry_ms, from_treasury=False
    )
    certificate = make_certificate(
        market,
        inviter,
        one_time=invited.public,
        role="member",
        grant=0,
        expiry_ms=expiry_ms,
        issued=issued,
    )
    return operation, certificate


def seal(
    market: bytes, key: DeviceKey, tip: Tip, operations: list[Operation], start_ms: int
) -> tuple[Piece, ...]:
    """Return operations as pieces that continue a feed, a tick apart, not before ``start_ms``."""
    start = max(pack_timestamp(start_ms), tip.time + 1)
    bodies = [
        encode_body(start + number, encode_operation(operation))
        for number, operation in enumerate(operations)
    ]
    return seal_bodies(market, key, tip, bodies)


def make_transfer(to: bytes, memo: str = "") -> TokenTransfer:
    """Return an entry that costs its writer nothing: it has no tokens to send."""
    return TokenTransfer(to, 1, b"", memo)


def _write_member(founder: Node, number: int, entries: int) -> None:
    market, key, wall_ms = founder.market.id, make_member_key(number), founder.get_wall_ms()
    issued = pack_timestamp(wall_ms)
    operation, certificate = invite(market, founder.key, key, issued, wall_ms)
    founder.append_unasked(operation)
    opening: list[Operation] = [make_opening(market, key, certificate)]
    rest: list[Operation] = [make_transfer(founder.key.public)] * (entries - 1)
    tip = founder.replica.get_feed(key.public).tip
    founder.gate.admit_pieces(seal(market, key, tip, opening + rest, wall_ms))
