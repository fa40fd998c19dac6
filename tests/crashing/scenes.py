"""What a crash may meet: homes of several kinds in one folder each, and who else is in their market.

A scene's folder has the home itself and a place for the files that its owner writes. The other
device lives in memory alone: whoever forks gets a copy of it, which is forgotten with the fork.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import trio

from synaptic_crdt.node.commands import run_command
from synaptic_crdt.node.founding import found_market, join_market, make_device
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.node import Market, Node
from synaptic_crdt.rules.consents import make_consent
from synaptic_crdt.rules.operations import Operation, encode_operation
from synaptic_crdt.state import limits
from synaptic_crdt.state.clock import pack_timestamp
from synaptic_crdt.state.codec import Value
from synaptic_crdt.state.feeds import Piece, encode_body, seal_bodies
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.statements import cosign_checkpoint, encode_statement
from synaptic_crdt.sync.gate import Gate, KeepNothing
from synaptic_crdt.sync.read_keys import ReadKeys
from synaptic_crdt.sync.transports.exchange import FileEnd, Passed
from synaptic_crdt.sync.transports.folder import FolderExchange
from tests.node.conftest import carry
from tests.sync.conftest import sync


class Other:
    """Another device of the market, in memory, that does all a peer does over a link."""

    def __init__(self, genesis: bytes, key: DeviceKey) -> None:
        self.key: Final = key
        self.market: Final = Market(genesis)
        self.replica: Final[Replica] = self.market.replica
        self.gate: Final[Gate] = self.market.make_gate(KeepNothing(), own_device=key.public)

    @classmethod
    def copy(cls, node: Node) -> "Other":
        """Return the device of a home, without the home, holding what the home holds."""
        other = cls(node.store.genesis, node.key)
        carry(node, cast("Any", other))
        return other

    def meet(self, node: Node) -> None:
        """Exchange everything with a home in one real session."""
        sync(cast("Any", self), cast("Any", node))

    def share(self, folder: Path, keys: ReadKeys) -> Passed:
        """Bring a folder in step, as its owner does who does not encrypt."""
        end = FileEnd(self.gate, self.market.genesis_bytes, self.key.public, keys, seals=False)
        return trio.run(FolderExchange(f"dir://{folder}", end).run_pass)

    def write(self, operations: list[Operation]) -> None:
        """Write a batch of entries."""
        fields = [encode_operation(operation) for operation in operations]
        for piece in make_pieces(self.market.id, self.key, self.replica, fields):
            self.gate.admit_piece(piece)

    def make_statements(self) -> None:
        """Close an epoch or cosign one, if that is this device's to do now."""
        chain = self.replica.chain
        candidates = chain.get_candidates()
        if candidates and self.key.public in chain.view.witnesses:
            checkpoint = candidates[0]
            cosignature = cosign_checkpoint(self.market.id, self.key, checkpoint)
            self.gate.admit_statement(encode_statement(cosignature))
        elif not candidates and chain.sequencer == self.key.public:
            made = self.replica.make_checkpoint(self.key, get_wall_ms(), lambda _: True)
            self.gate.admit_statement(encode_statement(made))


class Scene(msgspec.Struct, frozen=True):
    """A home as it is before the first crash, and the other device; None where there is none.

    ``branches``: two pieces of a third device, of which one makes the other void.
    """

    name: str
    folder: Path
    other: Other | None
    branches: tuple[Piece, ...] = ()

    def is_forker(self, device: bytes) -> bool:
        """Is this the device that signs two histories?"""
        return any(piece.device == device for piece in self.branches)


def get_home(folder: Path) -> Home:
    """Return the home of a scene's folder, or of a copy of it."""
    return Home(folder / "home")


def get_files(folder: Path) -> Path:
    """Return where a scene's owner writes files."""
    return folder / "files"


def get_shared(folder: Path) -> Path:
    """Return the folder that others are to find what is held here in."""
    return get_files(folder) / "shared"


def make_scene(name: str, folder: Path) -> Scene:
    """Make one of ``SCENES`` below a folder."""
    place = folder / name
    get_shared(place).mkdir(parents=True)
    made = SCENES[name](place)
    other, *branches = made if isinstance(made, tuple) else (made,)
    return Scene(name, place, other, tuple(branches))


def get_wall_ms() -> int:
    return time.time_ns() // 1_000_000


def make_pieces(
    market: bytes, key: DeviceKey, replica: Replica, fields: list[list[Value]]
) -> tuple[Piece, ...]:
    """Seal operations as one batch behind what a device wrote before."""
    feed: Feed = replica.get_feed(key.public)
    start = max(feed.tip.time, pack_timestamp(get_wall_ms()))
    bodies = [encode_body(start + place, each) for place, each in enumerate(fields, 1)]
    return seal_bodies(market, key, feed.tip, bodies)


def _make_founder(folder: Path) -> Other:
    """The sequencer's home, in a market without witnesses."""
    home, elsewhere = get_home(folder), Home(folder.with_name("ana"))
    _found(home)
    node = Node.open(home, "")
    other = _join(node, elsewhere)
    run_command(node, "checkpoint", {})
    carry(node, cast("Any", other))
    node.close()
    return other


def _make_asking(folder: Path) -> Other:
    """The sequencer's home, whose checkpoints another device has to cosign."""
    home, elsewhere = get_home(folder), Home(folder.with_name("bea"))
    witness = str(make_device(elsewhere, "")["device"])
    _found(home, [witness])
    node = Node.open(home, "")
    other = _join(node, elsewhere)
    node.close()
    return other


def _make_witness(folder: Path) -> Other:
    """The home of a member that cosigns what another device closes."""
    home, elsewhere = get_home(folder), Home(folder.with_name("zoe"))
    witness = str(make_device(home, "")["device"])
    _found(elsewhere, [witness])
    founder = Node.open(elsewhere, "")
    ticket = run_command(founder, "invite", {"grant": 50})["ticket"]
    join_market(home, "", ticket, "wim")
    node = Node.open(home, "")
    carry(founder, node)
    carry(node, founder)
    other = Other.copy(founder)
    node.close()
    founder.close()
    return other


def _make_member(folder: Path) -> tuple[Other, Piece, Piece]:
    """A member's home, in a market where another device forks and the sequencer settles that."""
    home, elsewhere = get_home(folder), Home(folder.with_name("gil"))
    _found(elsewhere)
    founder = Node.open(elsewhere, "")
    eve = _join(founder, Home(folder.with_name("eve")))
    ticket = run_command(founder, "invite", {"grant": 50})["ticket"]
    join_market(home, "", ticket, "mia")
    node = Node.open(home, "")
    carry(founder, node)
    carry(node, founder)
    run_command(founder, "checkpoint", {})
    carry(founder, node)
    one, another = (
        make_pieces(eve.market.id, eve.key, eve.replica, [encode_operation(operation)] * count)[0]
        for operation, count in ((make_consent(None), 3), (make_consent(bytes(32)), 2))
    )
    other = Other.copy(founder)
    node.close()
    founder.close()
    return other, one, another


def _make_nothing(_: Path) -> None:
    """No home yet: it is founded while crashes come."""


def _make_long(folder: Path) -> None:
    """The sequencer's home with so much behind saved states that it can be archived."""
    home = get_home(folder)
    _found(home)
    node = Node.open(home, "")
    fields = encode_operation(make_consent(None))
    batch = [fields] * (2 * limits.WINDOW_ENTRIES)
    node.gate.admit_pieces(make_pieces(node.market.id, node.key, node.replica, batch))
    for _ in range(limits.SAVED_STATES + 1):
        node.append(make_consent(None))
        node.make_checkpoint()
    node.close()


def found(home: Home) -> None:
    """Found a market whose only device is this home's."""
    _found(home)


def _found(home: Home, witnesses: list[str] | None = None) -> None:
    found_market(
        home,
        "",
        name="Crashes",
        account_name="fay",
        witnesses=witnesses or [],
        wall_ms=get_wall_ms(),
    )


def _join(node: Node, elsewhere: Home) -> Other:
    ticket = run_command(node, "invite", {"grant": 50})["ticket"]
    join_market(elsewhere, "", ticket, "ana")
    joined = Node.open(elsewhere, "")
    carry(node, joined)
    carry(joined, node)
    other = Other.copy(joined)
    joined.close()
    return other


SCENES: Final[dict[str, Callable[[Path], Other | tuple[Other, Piece, Piece] | None]]] = {
    "founder": _make_founder,
    "asking": _make_asking,
    "witness": _make_witness,
    "member": _make_member,
    "nothing": _make_nothing,
    "long": _make_long,
}
