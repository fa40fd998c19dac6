"""Beginning at a checkpoint over a link: an honest peer, one that breaks off, and those that lie."""

import queue
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from synaptic_crdt.errors import Forged, LinkFailed, MalformedInput, StoreFailed
from synaptic_crdt.node import arrivals
from synaptic_crdt.node.blob_files import BlobFile, outline_section
from synaptic_crdt.node.commands import run_command
from synaptic_crdt.node.founding import join_market
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.membership import MarketMembership
from synaptic_crdt.node.node import Market, Node
from synaptic_crdt.node.queries import run_query
from synaptic_crdt.state.limits import BLOB_BYTES, BLOB_PIECE_BYTES
from synaptic_crdt.state.outline import name_outline
from synaptic_crdt.sync.blobs import HeldBlob, NoBlobs
from synaptic_crdt.sync.gate import KeepNothing
from synaptic_crdt.sync.links import LocalEnd, serve
from synaptic_crdt.sync.parts.state_messages import Section, StateOffer
from synaptic_crdt.sync.transports.state_file import ChunkRecord, OutcomesRecord, StatementRecord
from tests.node.test_saved import Change, alter, drop, drop_row, fill, flip_last, rewrite


class Handing(NoBlobs):
    """Hands out a file, so many pieces of it; then it has it no more."""

    def __init__(self, path: Path, pieces: int = 10**6) -> None:
        outline = outline_section(path, 0)
        assert outline is not None
        self.pieces = pieces
        self._file = BlobFile(path, 0, outline)
        self._section = Section(name_outline(outline), path.stat().st_size)

    def offer_state(self) -> StateOffer:
        return StateOffer(epoch=1, sections=(self._section,))

    def find(self, name: bytes, device: bytes) -> HeldBlob | None:
        assert (name, len(device)) == (self._section.blob, 32)
        self.pieces -= 1
        return self._file if self.pieces >= 0 else None


class Boasting(NoBlobs):
    """Offers more than any disk has."""

    def offer_state(self) -> StateOffer:
        return StateOffer(epoch=1, sections=(Section(bytes(32), BLOB_BYTES),) * 1024)


def ignore(address: str, event: object) -> None:
    """Tell nobody."""
    del address, event


@contextmanager
def listening(node: Node, blobs: NoBlobs) -> Generator[str]:
    """Let the founder's device serve blobs at an address, from a thread of its own."""
    market = Market(node.market.genesis_bytes)
    gate = market.make_gate(KeepNothing(), node.key.public)
    membership = MarketMembership(market.genesis, market.id, market.replica, node.key)
    end = LocalEnd(gate, membership, lambda: 0, blobs=blobs)
    started: queue.Queue[tuple[str, Callable[[], None]]] = queue.Queue()

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            found: Sequence[str] = await nursery.start(
                partial(serve, ["tcp://127.0.0.1:0"], end, on_event=ignore)
            )
            token = trio.lowlevel.current_trio_token()
            started.put((found[0], lambda: token.run_sync_soon(nursery.cancel_scope.cancel)))

    thread = threading.Thread(target=trio.run, args=(run,))
    thread.start()
    address, stop = started.get()
    try:
        yield address
    finally:
        stop()
        thread.join()


@pytest.fixture
def state_file(founder: Node, tmp_path: Path) -> Path:
    """A file of more than one piece."""
    fill(founder, 2_000, 2)
    path = tmp_path / "now.bundle"
    assert run_query(founder, "bundle.state", {"path": str(path)})["bytes"] > BLOB_PIECE_BYTES
    return path


def begin(founder: Node, *addresses: str) -> Home:
    invited = run_command(founder, "invite", {"addresses": list(addresses)})
    home = Home(founder.home.path.parent / "bob")
    join_market(home, "", invited["ticket"], "bob", from_checkpoint=True)
    return home


def test_a_newcomer_begins_with_what_the_first_peer_has_that_answers(
    founder: Node, state_file: Path
) -> None:
    with listening(founder, NoBlobs()) as poor, listening(founder, Handing(state_file)) as rich:
        home = begin(founder, poor, rich)
    assert not (home.path / "incoming").exists()
    bob = Node.open(home, "")
    try:
        assert bob.replica.machine.epoch == founder.replica.machine.epoch
        assert bob.replica.get_feed(bob.key.public).position == 1
    finally:
        bob.close()


def test_an_attempt_that_was_cut_goes_on_after_the_last_verified_piece(
    founder: Node, state_file: Path
) -> None:
    # The outline, and one piece.
    with (
        listening(founder, Handing(state_file, 2)) as address,
        pytest.raises(LinkFailed, match="no more"),
    ):
        begin(founder, address)
    incoming = founder.home.path.parent / "bob" / "incoming"
    (part,) = incoming.iterdir()
    assert part.stat().st_size == BLOB_PIECE_BYTES
    (incoming / "something.else").write_bytes(b"of another state")
    rest = Handing(state_file)
    before = rest.pieces
    with listening(founder, rest) as address:
        Node.open(begin(founder, address), "").close()
    # The outline again, and every piece but the first.
    pieces = -(-state_file.stat().st_size // BLOB_PIECE_BYTES)
    assert before - rest.pieces == pieces
    assert not incoming.exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (alter(ChunkRecord, "rows", drop_row), "the state at checkpoint"),
        (alter(OutcomesRecord, "part", flip_last), "the outcomes of epoch 1 are damaged"),
        (drop(StatementRecord, -1), "holds no state"),
    ],
)
def test_nothing_is_begun_with_a_state_that_is_a_lie(
    founder: Node, state_file: Path, change: Change, says: str
) -> None:
    rewrite(state_file, change)
    with (
        listening(founder, Handing(state_file)) as address,
        pytest.raises((Forged, MalformedInput), match=says),
    ):
        begin(founder, address)
    home = founder.home.path.parent / "bob"
    assert not (home / "market.db").exists()
    assert not (home / "incoming").exists()


def test_a_file_that_is_no_state_is_refused(founder: Node, tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"no state")
    with (
        listening(founder, Handing(tmp_path / "junk")) as address,
        pytest.raises(MalformedInput, match="not a bundle"),
    ):
        begin(founder, address)


def test_more_than_the_disk_holds_is_not_begun(
    founder: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "_FREE_BYTES", 2**60)
    with (
        listening(founder, Boasting()) as address,
        pytest.raises(StoreFailed, match="68,719,476,736 bytes"),
    ):
        begin(founder, address)
    assert not list((founder.home.path.parent / "bob").glob("incoming/*"))
