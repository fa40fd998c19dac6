"""Which blobs homes want, who gets them, and what survives a cut, a restart and a bad disk."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from synaptic_crdt.errors import StoreFailed, UsageError
from synaptic_crdt.node import arrivals, handouts
from synaptic_crdt.node.blob_exchange import BlobExchange
from synaptic_crdt.node.blob_files import BlobFile, outline_section
from synaptic_crdt.node.commands import run_command
from synaptic_crdt.node.contents import get_blob_store
from synaptic_crdt.node.fetching import find_blob
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.partials import Partials
from synaptic_crdt.node.queries import run_query
from synaptic_crdt.state.limits import BLOB_PIECE_BYTES, NONCE_BYTES
from synaptic_crdt.state.outline import make_outline, name_content
from synaptic_crdt.sync.blobs import WantedBlob
from synaptic_crdt.sync.events import Offered
from synaptic_crdt.sync.session import Session
from tests.node.conftest import carry
from tests.node.test_contents import LARGE, accept, post, settle

Join = Callable[..., Node]
STRANGER = bytes(32)


@pytest.fixture
def paul(founder: Node, join: Join) -> Node:
    return join_worker(founder, join, "Paul")


def join_worker(founder: Node, join: Join, name: str) -> Node:
    node = join(name)
    run_command(node, "consent", {"on": True})
    settle(founder, node)
    return node


def link(
    first: BlobExchange, second: BlobExchange, nodes: tuple[Node, Node], most: int = 10**9
) -> int:
    """Run a session between two homes, of which at most so many bytes arrive; return how many."""
    sessions = [
        Session(
            node.replica, live=False, role="member", clock_ms=0, nonce=bytes(NONCE_BYTES),
            budget=node.gate.budget, device=node.key.public, peer=other.key.public, blobs=blobs,
        )
        for node, other, blobs in zip(nodes, reversed(nodes), (first, second), strict=True)
    ]  # fmt: skip
    moved, is_moving = 0, True
    while is_moving and moved < most:
        is_moving = False
        for source, target, node in ((0, 1, nodes[1]), (1, 0, nodes[0])):
            while moved < most and (data := sessions[source].data_to_send()):
                is_moving = True
                moved += len(data)
                sessions[target].receive(data)
                settle_offers(sessions[target], node)
    for session in sessions:
        session.close()
    return moved


def settle_offers(session: Session, node: Node) -> None:
    for event in session.take_events():
        if isinstance(event, Offered):
            statements = node.gate.admit_statements(event.statements)
            session.settle(node.gate.admit_pieces(event.pieces), statements)


def get_name(node: Node) -> bytes:
    (blob,) = run_query(node, "blob.list", {})["blobs"]
    return bytes.fromhex(blob["hash"])


def deliver(provider: Node, requester: Node, assignment: str) -> bytes:
    run_command(provider, "task.start", {"assignment": assignment})
    data = base64.b64encode(LARGE).decode()
    told = run_command(provider, "task.deliver", {"assignment": assignment, "data": data})
    carry(provider, requester)
    return bytes.fromhex(told["blob"])


def test_private_contents_go_to_the_parties_and_to_nobody_else(
    founder: Node, paul: Node, join: Join
) -> None:
    zoe, kim = join_worker(founder, join, "Zoe"), join("Kim")
    settle(founder, kim)
    task = post(founder, LARGE, arbiters=["Kim"])
    payload = get_name(founder)
    exchanges = {node: BlobExchange(node) for node in (founder, paul, zoe, kim)}
    rights = exchanges[founder].rights
    for node in (paul, zoe, kim):
        carry(founder, node)
    # Nobody works on it yet.
    assert not rights.may_have(payload, paul.key.public)
    assert rights.may_have(payload, kim.key.public)
    assert not exchanges[paul].get_wanted()
    assignment = accept(paul, founder, task)
    carry(founder, zoe)
    assert rights.may_have(payload, paul.key.public)
    assert [blob.name for blob in exchanges[paul].get_wanted()] == [payload]
    exchanges[zoe].ask_for(find_blob(exchanges[zoe], payload.hex()[:12]))
    for node in (zoe, paul):
        link(exchanges[node], exchanges[founder], (node, founder))
    assert exchanges[paul].has(payload)
    assert not exchanges[zoe].has(payload)
    assert not exchanges[paul].get_wanted()
    run_command(founder, "task.reveal", {"assignment": assignment})
    carry(founder, paul)
    result = deliver(paul, founder, assignment)
    carry(paul, zoe)
    assert [blob.name for blob in exchanges[founder].get_wanted()] == [result]
    assert not exchanges[paul].rights.may_have(result, zoe.key.public)
    assert not exchanges[paul].rights.may_have(result, STRANGER)
    assert exchanges[paul].rights.may_have(result, kim.key.public)
    link(exchanges[founder], exchanges[paul], (founder, paul))
    (told,) = run_query(founder, "task.result", {"task": task})["results"]
    assert base64.b64decode(told["base64"]) == LARGE


def test_whoever_was_handed_a_key_gets_the_content(founder: Node, paul: Node, join: Join) -> None:
    zoe = join("Zoe")
    settle(founder, zoe)
    task = post(founder, LARGE)
    payload = get_name(founder)
    assignment = accept(paul, founder, task)
    run_command(founder, "task.reveal", {"assignment": assignment})
    rights = BlobExchange(founder).rights
    assert not rights.may_have(payload, zoe.key.public)
    share = {"assignment": assignment, "content": "payload", "to": "Zoe"}
    run_command(founder, "key.share", share)
    assert rights.may_have(payload, zoe.key.public)


def test_public_contents_go_to_whoever_asks(founder: Node, paul: Node) -> None:
    post(founder, LARGE, private=False)
    carry(founder, paul)
    here, there = BlobExchange(paul), BlobExchange(founder)
    name = get_name(paul)
    assert there.rights.may_have(name, STRANGER)
    assert not there.rights.may_have(STRANGER, STRANGER)
    here.ask_for(find_blob(here, name.hex()))
    assert [blob.name for blob in here.get_wanted()] == [name]
    here.forget(name)
    assert not here.get_wanted()
    here.ask_for(WantedBlob(name, len(LARGE)))
    link(here, there, (paul, founder))
    assert get_blob_store(paul).get(name) == LARGE
    assert not here.get_wanted()


@pytest.mark.parametrize("text", ["", "abc", "0" * 12, "no hex, 12"])
def test_what_names_no_blob_is_told(founder: Node, text: str) -> None:
    post(founder, LARGE, private=False)
    with pytest.raises(UsageError, match="names 0 blobs"):
        find_blob(BlobExchange(founder), text)


def test_a_process_that_is_killed_goes_on_after_the_last_verified_piece(
    founder: Node, paul: Node
) -> None:
    post(founder, LARGE, private=False)
    carry(founder, paul)
    name = get_name(paul)
    wanted = WantedBlob(name, len(LARGE))
    here, there = BlobExchange(paul), BlobExchange(founder)
    here.ask_for(wanted)
    link(here, there, (paul, founder), most=4 * BLOB_PIECE_BYTES)
    (part,) = paul.home.blobs_path.glob("*.part")
    kept = part.stat().st_size
    assert kept > 0
    again = BlobExchange(paul)
    again.ask_for(wanted)
    moved = link(again, there, (paul, founder))
    assert get_blob_store(paul).get(name) == LARGE
    assert moved < len(LARGE) - kept + BLOB_PIECE_BYTES
    assert not list(paul.home.blobs_path.glob("*.part"))


def test_what_the_disk_has_made_of_a_part_is_fetched_again(founder: Node, paul: Node) -> None:
    post(founder, LARGE, private=False)
    carry(founder, paul)
    name = get_name(paul)
    here, there = BlobExchange(paul), BlobExchange(founder)
    here.ask_for(WantedBlob(name, len(LARGE)))
    link(here, there, (paul, founder), most=4 * BLOB_PIECE_BYTES)
    (part,) = paul.home.blobs_path.glob("*.part")
    data = bytearray(part.read_bytes())
    data[-1] ^= 1
    part.write_bytes(data)
    link(here, there, (paul, founder))
    assert get_blob_store(paul).get(name) == LARGE


def test_damage_is_not_served(founder: Node) -> None:
    post(founder, LARGE, private=False)
    name = get_name(founder)
    path = get_blob_store(founder).get_path(name)
    exchange = BlobExchange(founder)
    held = exchange.find(name, STRANGER)
    assert held is not None
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)
    assert held.read_piece(0) is None
    assert held.read_piece(1) == LARGE[BLOB_PIECE_BYTES : 2 * BLOB_PIECE_BYTES]
    assert held.read_piece(99) is None
    assert BlobExchange(founder).find(name, STRANGER) is None
    path.unlink()
    assert held.read_piece(1) is None
    assert exchange.find(name, STRANGER) is None
    assert outline_section(path, 0) is None
    assert BlobFile.open(path, name) is None


def test_a_full_disk_takes_nothing(
    founder: Node, paul: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(founder, LARGE, private=False)
    carry(founder, paul)
    name = get_name(paul)
    monkeypatch.setattr(arrivals, "_FREE_BYTES", 2**60)
    here = BlobExchange(paul)
    here.ask_for(WantedBlob(name, len(LARGE)))
    link(here, BlobExchange(founder), (paul, founder))
    assert not here.has(name)


def test_parts_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    partials = Partials(tmp_path / "file" / "blobs")
    name = name_content(LARGE)
    with pytest.raises(StoreFailed):
        partials.append(name, 0, b"piece")
    with pytest.raises(StoreFailed):
        partials.move(name, tmp_path / "target")
    folder = tmp_path / "blobs"
    (folder / f"{name.hex()}.part").mkdir(parents=True)
    with pytest.raises(StoreFailed):
        Partials(folder).resume(name, make_outline(LARGE))


def test_a_state_is_handed_out_once_for_all_who_ask(founder: Node) -> None:
    exchange = BlobExchange(founder)
    offer = exchange.offer_state()
    assert offer.epoch == founder.replica.chain.index
    (section,) = offer.sections
    held = exchange.find(section.blob, STRANGER)
    assert held is not None
    assert name_content(held.read_piece(0) or b"") == section.blob
    post(founder, b"one task more")
    founder.make_checkpoint()
    assert exchange.offer_state() is offer
    # Another process makes another one, and leaves none of the files that nobody knows.
    newer = BlobExchange(founder).offer_state()
    assert newer.epoch == offer.epoch + 1
    assert len(list((founder.home.path / "handouts").iterdir())) == 1
    assert exchange.find(section.blob, STRANGER) is held
    assert held.read_piece(0) is None


def test_where_no_state_can_be_begun_with_none_is_offered(founder: Node) -> None:
    (founder.home.path / "handouts").write_bytes(b"in the way")
    assert BlobExchange(founder).offer_state().sections == ()


def test_what_fits_into_its_entry_is_no_blob(founder: Node, paul: Node) -> None:
    small, middle = b"x" * 500, b"y" * 20_000
    exchange = BlobExchange(founder)
    for data in (small, middle):
        task = post(founder, data, private=False)
        assignment = accept(paul, founder, task)
        assert not BlobExchange(paul).get_wanted()
        run_command(paul, "task.start", {"assignment": assignment})
        told = base64.b64encode(data).decode()
        run_command(paul, "task.deliver", {"assignment": assignment, "data": told})
        carry(paul, founder)
        assert not BlobExchange(founder).get_wanted()
    exchange.tell(is_new_turn=True)
    assert not exchange.get_wanted()


def test_a_state_stays_for_those_who_are_at_it_while_the_next_is_handed_out(
    founder: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handouts, "_LASTING_SECONDS", -1.0)
    exchange = BlobExchange(founder)
    names: list[bytes] = []
    for _ in range(3):
        post(founder, b"one task more")
        founder.make_checkpoint()
        (section,) = exchange.offer_state().sections
        names.append(section.blob)
    found = [exchange.find(name, STRANGER) for name in names]
    assert found[0] is None
    assert all(held is not None and held.read_piece(0) for held in found[1:])
