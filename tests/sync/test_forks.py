"""Two histories of one feed: found wherever they meet, proved, passed on, settled, and fetched."""

from collections.abc import Sequence
from typing import Final

import pytest

from synaptic_crdt.errors import Forged, MalformedInput, ProtocolViolation
from synaptic_crdt.state import limits
from synaptic_crdt.state.codec import decode
from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.state.hashes import compute_body_hash
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.statements import ForkProof, encode_statement
from synaptic_crdt.sync.budget import Names
from synaptic_crdt.sync.events import ForkFound, Reconciled
from synaptic_crdt.sync.inspection import Admission
from synaptic_crdt.sync.messages import (
    PREFACE_BYTES,
    Done,
    Gone,
    Hello,
    Leaf,
    Leaves,
    Marks,
    Message,
    Probe,
    Statements,
    Trace,
    Traced,
    Want,
    Wanted,
    encode_frame,
    get_tag,
)
from synaptic_crdt.sync.parting import Parted, Partings, make_marks, make_traced
from synaptic_crdt.sync.parts.forks import Forks
from synaptic_crdt.sync.parts.part import Intake
from synaptic_crdt.sync.parts.pieces import Pieces
from synaptic_crdt.sync.parts.statements import compute_ids_digest
from synaptic_crdt.sync.transports.bundle import read_bundle, write_bundle
from synaptic_crdt.sync.wants import Wants
from tests.forking import sign_fork
from tests.sync.conftest import (
    CLOCK_MS,
    GENESIS,
    MARKET,
    NONCE,
    CountingWriter,
    End,
    Peer,
    make_key,
    make_pieces,
    pump,
    sync,
)

FORKER: Final = make_key(5)
DEVICE: Final = FORKER.public
FOUNDER: Final = make_key(1)


def part(
    common: int, ours: int, theirs: int, *, sequencer: DeviceKey | None = FOUNDER
) -> tuple[Peer, Peer]:
    """Two peers who were told two histories by one device."""
    one, other = Peer(sequencer), Peer(sequencer)
    if common:
        one.note(FORKER, common)
        other.copy_from(one)
    one.write(FORKER, *[["note", 1]] * ours)
    other.write(FORKER, *[["note", 2]] * theirs)
    return one, other


def take_piece(peer: Peer, first: int = 1) -> Piece:
    piece = peer.replica.get_feed(DEVICE).get_piece(first)
    assert piece is not None
    return piece


def get_proofs(peer: Peer) -> list[ForkProof]:
    return list(peer.replica.branches.forks)


def get_position(peer: Peer) -> int:
    return peer.replica.get_feed(DEVICE).position


def assert_equal(*ends: End) -> None:
    for end in ends:
        [reconciled] = end.get_events(Reconciled)
        assert isinstance(reconciled, Reconciled)
        assert reconciled.equal
        assert end.session.is_finished


# -- finding -----------------------------------------------------------------------------------


@pytest.mark.parametrize("common", [0, 1, 2, 40, 1023, 1024, 1500])
@pytest.mark.parametrize(("ours", "theirs"), [(1, 1), (1, 3), (700, 1), (1100, 1300)])
def test_a_link_finds_the_place_in_a_few_rounds(common: int, ours: int, theirs: int) -> None:
    one, other = part(common, ours, theirs)
    ends = sync(one, other)
    assert_equal(*ends)
    for peer in (one, other):
        [proof] = get_proofs(peer)
        assert (proof.device, proof.position) == (DEVICE, common + 1)
        assert len(encode_statement(proof)) <= limits.FORK_PROOF_BYTES
        assert peer.replica.branches.get_counted_position(DEVICE) == common
    assert get_proofs(one) == get_proofs(other)
    found = [event for end in ends for event in end.get_events(ForkFound)]
    assert ForkFound(DEVICE, common + 1, is_fixed=False) in found
    # Two sides search at the same time: ids at most three times, then a branch.
    questions = sum(count_messages(end, Probe) + count_messages(end, Trace) for end in ends)
    assert questions <= 8


def count_messages(end: End, kind: type[Message]) -> int:
    """Count what an end has sent, its preface put aside."""
    return count_frames(b"".join(end.sent)[PREFACE_BYTES:], kind)


def count_frames(data: bytes, kind: type[Message]) -> int:
    count = 0
    while data:
        size = int.from_bytes(data[:4], "big")
        value = decode(data[4 : 4 + size], limits.FRAME_BYTES)
        assert isinstance(value, list)
        count += value[0] == get_tag(kind)
        data = data[4 + size :]
    return count


def test_a_proof_is_passed_on_to_whoever_holds_the_feed() -> None:
    one, other = part(2, 1, 1)
    third = Peer(FOUNDER)
    third.copy_from(one)
    sync(one, other)
    assert_equal(*sync(third, other))
    assert get_proofs(third) == get_proofs(one)
    assert third.replica.root == one.replica.root


def test_a_newcomer_gets_the_feed_and_the_proof_at_once() -> None:
    one, other = part(2, 1, 3)
    sync(one, other)
    newcomer = Peer(FOUNDER)
    assert_equal(*sync(newcomer, other))
    assert get_position(newcomer) == 5
    assert newcomer.replica.branches.get_suspended_from(DEVICE) == 3


def test_a_branch_is_brought_to_whoever_has_none() -> None:
    """Otherwise a sequencer that heard of the proof first could never settle it."""
    one, other = part(2, 1, 3)
    sync(one, other)
    sequencer = Peer(FOUNDER)
    sequencer.gate.admit_piece(take_piece(Peer_with(2)))
    sequencer.gate.admit_statement(encode_statement(get_proofs(one)[0]))
    assert_equal(*sync(sequencer, one))
    assert get_position(sequencer) == 3
    # Of the other branch nobody has use.
    ends = sync(sequencer, other)
    assert_equal(*ends)
    assert sum(end.session.counts.entries_sent for end in ends) == 0
    sequencer.close_epoch()
    assert sequencer.replica.chain.get_fixed_position(DEVICE) == 3


def Peer_with(count: int) -> Peer:  # noqa: N802 - a peer that is made
    peer = Peer(FOUNDER)
    peer.note(FORKER, count)
    return peer


# -- settling ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("ours", "theirs"), [(1, 1), (1, 4), (4, 1), (1100, 1100)])
@pytest.mark.parametrize("is_known", [False, True])
def test_the_fixed_branch_is_fetched(ours: int, theirs: int, is_known: bool) -> None:
    one, other = part(2, ours, theirs)
    writer = CountingWriter()
    loser = Peer(FOUNDER, writer=writer)
    loser.copy_from(other)
    if is_known:
        sync(one, loser)
        assert one.replica.branches.get_suspended_from(DEVICE) == 3
    one.close_epoch()
    sync(one, loser)
    assert_equal(*sync(one, loser))
    assert get_position(loser) == 2 + ours
    assert loser.replica.get_feed(DEVICE).head == one.replica.get_feed(DEVICE).head
    assert not loser.replica.machine.get_suspended()
    [truncation] = writer.truncations
    void = [entry.body for entry in truncation.void]
    lost = [entry.body for entry in other.replica.get_feed(DEVICE).entries[2:]]
    assert void[len(void) - len(lost) :] == lost


def test_a_live_link_settles_and_fetches_by_itself() -> None:
    one, other = part(2, 1, 1)
    ends = End(one, live=True), End(other, live=True)
    pump(*ends)
    assert other.replica.branches.get_suspended_from(DEVICE) == 3
    one.close_epoch()
    pump(*ends)
    assert get_position(other) == 3
    assert other.replica.root == one.replica.root
    one.note(FORKER, 2)
    pump(*ends)
    assert other.replica.root == one.replica.root


def test_what_was_pushed_of_the_branch_that_lost_ends_no_link() -> None:
    """Later each takes the other to have as much of the branch that won."""
    one, other = part(2, 0, 0)
    ends = End(one, live=True), End(other, live=True)
    pump(*ends)
    one.write(FORKER, *[["note", 1]] * 3)
    other.write(FORKER, ["note", 2])
    pump(*ends)
    other.close_epoch()
    pump(*ends)
    assert get_position(one) == get_position(other) == 3
    # What goes on from there comes to both of them by somebody else.
    (piece,) = make_pieces(other.replica, FORKER, ["note", 3])
    for peer in (one, other):
        assert peer.gate.admit_piece(piece) is Admission.ACCEPT
    pump(*ends)
    one.note(FORKER, 4)
    pump(*ends)
    assert get_position(other) == 8
    assert other.replica.root == one.replica.root


@pytest.mark.parametrize("is_known", [False, True])
def test_a_checkpoint_that_comes_while_a_branch_is_on_its_way(is_known: bool) -> None:
    """Of one that is known the other side has all, of the one that comes it may have less."""
    one, other = part(2, 2, 3)
    third = Peer(FOUNDER)
    third.copy_from(one)
    checkpoint = encode_statement(third.close_epoch())
    if is_known:
        other.gate.admit_statement(checkpoint)
        third.note(FORKER, 2)
        checkpoint = encode_statement(third.close_epoch())

    def tell_before_the_branch(data: bytes) -> Sequence[bytes]:
        frames = data[PREFACE_BYTES:] if data.startswith(b"synaptic") else data
        if count_frames(frames, Traced):
            other.gate.admit_statement(checkpoint)
        return [data]

    ends = End(one), End(other)
    pump(*ends, tell_before_the_branch)
    assert all(end.session.is_reconciled for end in ends)
    assert get_position(other) == 4
    assert other.replica.chain.index == 1 + is_known


def test_what_is_fixed_beyond_what_was_asked_after_is_asked_of_nobody() -> None:
    """Meanwhile another link has brought the branch, and a checkpoint that goes on from it."""
    one, other = part(2, 1, 1)
    other.gate.admit_piece(take_piece(one))
    third = Peer(FOUNDER)
    third.copy_from(one)
    other.gate.admit_statement(encode_statement(third.close_epoch()))
    third.note(FORKER, 1)
    beyond = encode_statement(third.close_epoch())

    def bring_before_the_answer(data: bytes) -> Sequence[bytes]:
        frames = data[PREFACE_BYTES:] if data.startswith(b"synaptic") else data
        if count_frames(frames, Marks) and other.replica.chain.index == 1:
            other.replica.branches.yield_from(DEVICE, 3)
            assert other.gate.admit_piece(take_piece(one, 3)) is Admission.ACCEPT
            other.gate.admit_statement(beyond)
        return [data]

    ends = End(one), End(other)
    pump(*ends, bring_before_the_answer)
    assert all(end.session.is_reconciled for end in ends)
    assert get_position(other) == get_position(one) == 3
    assert other.replica.chain.index == 2


def test_what_was_asked_for_before_another_branch_was_awaited_leaves_nothing_out() -> None:
    one, other = part(2, 2, 2)
    piece = take_piece(other, 3)
    one.gate.admit_statement(encode_statement(other.close_epoch()))
    wants, intake = Wants(one.replica, Names(one.gate.budget)), Intake()
    forks = Forks(one.replica, wants, intake)
    pieces = Pieces(one.replica, wants, forks, intake, one.gate.budget)
    for follows_from, is_left_out in ((2, False), (3, True)):
        wants.follow(DEVICE, follows_from, 4)
        intake.pieces.append(piece)
        pieces.settle([Admission.FORK])
        assert wants.is_left_out(DEVICE) is is_left_out
    assert len(intake.events) == 1
    # What cannot be taken yet is asked for as before, from where it ends here.
    wants.follow(DEVICE, 3, 4)
    wants.settle(piece, Admission.HOLD)
    assert not wants.is_stale(piece)


def test_a_feed_that_gave_way_is_exchanged_again() -> None:
    one, other = part(2, 2, 1)
    wants = Wants(one.replica, Names(one.gate.budget))
    one.gate.admit_piece(take_piece(other, 3))
    wants.leave_out(DEVICE)
    assert wants.readmit() == []
    # Another link brings the branch that a checkpoint fixed.
    one.gate.admit_statement(encode_statement(other.close_epoch()))
    one.gate.admit_piece(take_piece(other, 3))
    assert get_position(one) == 3
    assert wants.readmit() == [DEVICE]


@pytest.mark.parametrize("is_fixed", [False, True])
def test_without_a_seal_of_what_is_held_there_is_no_proof(is_fixed: bool) -> None:
    """It gives way all the same, if theirs is the branch that is awaited."""
    one, other = part(2, 1, 1)
    one.replica.get_feed(DEVICE).seals.clear()
    if is_fixed:
        one.gate.admit_statement(encode_statement(other.close_epoch()))
    partings = Partings(one.replica)
    partings.add(DEVICE, 3)
    found: list[Parted] = []
    while (question := partings.take_request()) is not None:
        if isinstance(question, Probe):
            parted = partings.take_marks(make_marks(other.replica, question))
        else:
            parted = partings.take_traced(make_traced(other.replica, question))
        found += [] if parted is None else [parted]
    assert partings.is_settled
    assert found == ([Parted(DEVICE, 3, None, 3)] if is_fixed else [])


def test_a_feed_that_gave_way_may_be_asked_for_as_far_as_it_was_announced() -> None:
    peer = Peer(FOUNDER)
    wants = Wants(peer.replica, Names(peer.gate.budget))
    wants.announce(DEVICE, 17)
    wants.announce(DEVICE, 16)
    assert wants.get_announced(DEVICE) == 17


@pytest.mark.parametrize("steps", range(16))
@pytest.mark.parametrize("is_proved", [False, True])
def test_a_checkpoint_that_comes_while_a_fork_is_searched_ends_in_the_fixed_branch(
    steps: int, is_proved: bool
) -> None:
    one, other = part(40, 2, 3)
    if is_proved:
        one.gate.admit_piece(take_piece(other))
    ends = End(one, live=True), End(other, live=True)
    for _ in range(steps):
        for source, target in (ends, reversed(ends)):
            if data := source.take_output():
                target.receive(data)
    other.gate.admit_statement(encode_statement(one.close_epoch()))
    pump(*ends)
    assert all(end.session.is_reconciled for end in ends)
    assert get_position(other) == 42
    assert other.replica.root == one.replica.root


@pytest.mark.parametrize(("ours", "theirs"), [(1, 1), (4, 1), (1, 4), (1100, 3)])
@pytest.mark.parametrize("is_live", [False, True])
def test_a_witness_gets_the_branch_that_it_is_to_cosign(
    ours: int, theirs: int, is_live: bool
) -> None:
    """Else whoever forks could keep a market with witnesses from going on."""
    witness = make_key(6)
    sequencer, other = (Peer(FOUNDER, witnesses=[witness]) for _ in range(2))
    sequencer.note(FORKER, 2)
    other.copy_from(sequencer)
    sequencer.write(FORKER, *[["note", 1]] * ours)
    other.write(FORKER, *[["note", 2]] * theirs)
    ends = End(sequencer, live=is_live), End(other, live=is_live)
    pump(*ends)
    assert other.replica.branches.get_suspended_from(DEVICE) == 3
    checkpoint = sequencer.close_epoch()
    if is_live:
        pump(*ends)
    else:
        sync(sequencer, other)
        sync(sequencer, other)
    assert get_position(other) == 2 + ours
    examination = other.replica.examine(checkpoint)
    assert examination is not None
    assert examination.root == checkpoint.root


def test_a_bundle_brings_the_fixed_branch() -> None:
    one, other = part(2, 4, 1)
    checkpoint = one.close_epoch()
    other.gate.admit_statement(encode_statement(checkpoint))
    # Too short to know by itself that it is on the other branch.
    assert get_position(other) == 3
    assert other.gate.admit_piece(take_piece(one)) is Admission.ACCEPT
    assert other.replica.root == one.replica.root
    assert [proof.position for proof in get_proofs(other)] == [3]


def test_what_a_checkpoint_made_void_is_held_out_of_the_fold_and_gives_way() -> None:
    one, other = part(2, 4, 4)
    newcomer = Peer(FOUNDER)
    newcomer.gate.admit_statement(encode_statement(one.close_epoch()))
    assert newcomer.gate.admit_piece(take_piece(other)) is Admission.ACCEPT
    assert newcomer.replica.branches.get_counted_position(DEVICE) == 0
    assert newcomer.gate.admit_piece(take_piece(one)) is Admission.ACCEPT
    assert newcomer.replica.root == one.replica.root
    assert newcomer.gate.admit_piece(take_piece(other)) is Admission.FORK


def test_bundles_of_both_histories(tmp_path_factory: pytest.TempPathFactory) -> None:
    one, other = part(2, 1, 2)
    path = tmp_path_factory.mktemp("stick") / "stick"
    write_bundle(path, other.replica, GENESIS)
    assert read_bundle(path, one.gate).forks == (DEVICE,)
    assert [proof.position for proof in get_proofs(one)] == [3]
    # And the proof goes on in the next one.
    write_bundle(path, one.replica, GENESIS)
    read_bundle(path, other.gate)
    assert get_proofs(other) == get_proofs(one)


# -- the gate ------------------------------------------------------------------------------------


def test_a_proof_of_a_feed_that_is_not_held_waits_for_it() -> None:
    one, other = part(2, 1, 1)
    sync(one, other)
    [proof] = get_proofs(one)
    peer = Peer(FOUNDER)
    assert peer.gate.admit_statement(encode_statement(proof)) is Admission.HOLD
    assert get_proofs(peer) == []
    peer.gate.admit_piece(take_piece(one))
    assert get_proofs(peer) == [proof]
    assert peer.gate.admit_statement(encode_statement(proof)) is Admission.IGNORE


def test_so_many_early_proofs_and_no_more() -> None:
    peer = Peer(FOUNDER)
    keys = [make_key(number) for number in range(100, 101 + limits.EARLY_PROOFS)]
    for key in keys:
        data = encode_statement(sign_fork(MARKET, key))
        assert peer.gate.admit_statement(data) is Admission.HOLD
    for key in keys:
        peer.note(key)
    assert len(get_proofs(peer)) == limits.EARLY_PROOFS


def test_what_a_lower_proof_makes_superfluous_is_dropped() -> None:
    class Dropping(CountingWriter):
        def write(self, **things: Sequence[object]) -> None:  # type: ignore[override]
            dropped.extend(things.get("dropped_statements", ()))

    dropped: list[object] = []
    peer = Peer(FOUNDER, writer=Dropping())  # type: ignore[arg-type]
    peer.note(FORKER, 9)
    high, low = sign_fork(MARKET, FORKER, 7), sign_fork(MARKET, FORKER, 4)
    assert peer.gate.admit_statements([encode_statement(each) for each in (high, low, high)]) == [
        Admission.ACCEPT,
        Admission.ACCEPT,
        Admission.IGNORE,
    ]
    assert dropped == [high.id]


def test_a_checkpoint_in_the_same_batch_counts_for_a_proof() -> None:
    source = Peer(FOUNDER)
    source.note(FORKER, 9)
    peer = Peer(FOUNDER)
    peer.copy_from(source)
    low, high = sign_fork(MARKET, FORKER, 4), sign_fork(MARKET, FORKER, 12)
    checkpoint = source.close_epoch()
    batch = [encode_statement(each) for each in (low, checkpoint, high)]
    assert peer.gate.admit_statements(batch) == [Admission.ACCEPT] * 3
    assert get_proofs(peer) == [low, high]


# -- lies and changes meanwhile --------------------------------------------------------------------


def make_hello(peer: Peer, *, live: bool = False) -> Hello:
    return Hello(
        view=0,
        index=peer.replica.chain.index,
        checkpoint=peer.replica.chain.head,
        beside=compute_ids_digest(peer.replica),
        leaves=bytes(32),
        feeds=len(peer.replica.feeds),
        nonce=NONCE,
        clock_ms=CLOCK_MS,
        live=live,
        role="member",
        device=bytes(32),
    )


def open_end(peer: Peer, position: int, chain_id: bytes = bytes(32)) -> End:
    """An end that was told another id at a position of the forker's feed, and has asked."""
    end = End(peer)
    preface = End(peer).take_output()[:PREFACE_BYTES]
    leaf = Leaf(DEVICE, position, chain_id, 0, None)
    end.receive(preface)
    tell(
        end,
        make_hello(peer),
        Leaves(leaves=(leaf,), last=True),
        Statements(statements=(), index=0, last=True),
    )
    end.take_output()
    return end


def tell(end: End, *messages: Message) -> None:
    end.receive(b"".join(encode_frame(message) for message in messages))


LIAR: Final = part(2, 40, 1)[0]


def test_answers_that_were_not_asked_for() -> None:
    for message in (
        Marks(device=DEVICE, ids=()),
        Traced(device=DEVICE, position=1, hashes=b"", signature=bytes(64)),
    ):
        end = open_end(LIAR, 42, LIAR.replica.get_feed(DEVICE).head)
        with pytest.raises(ProtocolViolation, match="came where"):
            tell(end, message)
    for message in (Marks(device=bytes(32), ids=()), Marks(device=DEVICE, ids=(bytes(32),) * 33)):
        with pytest.raises(ProtocolViolation, match="nobody asked"):
            tell(open_end(LIAR, 30), message)
    with pytest.raises(ProtocolViolation, match="gone"):
        tell(open_end(LIAR, 30), Gone(device=DEVICE))


def test_a_branch_from_elsewhere() -> None:
    end = open_end(LIAR, 1)
    with pytest.raises(ProtocolViolation, match="nobody asked"):
        tell(end, Traced(device=DEVICE, position=2, hashes=b"", signature=bytes(64)))


@pytest.mark.parametrize("ids", [(), (bytes(32),) * 3])
def test_a_search_ends_where_ids_do_not_fit(ids: tuple[bytes, ...]) -> None:
    end = open_end(LIAR, 30)
    tell(end, Marks(device=DEVICE, ids=ids))
    while end.take_output():
        pass
    assert count_messages(end, Done) == 1
    assert get_proofs(LIAR) == []


@pytest.mark.parametrize("is_ours", [False, True])
def test_a_search_ends_where_a_branch_does_not_fit(is_ours: bool) -> None:
    end = open_end(LIAR, 1)
    body = LIAR.replica.get_feed(DEVICE).entries[0].body
    hashes = compute_body_hash(body) if is_ours else b""
    tell(end, Traced(device=DEVICE, position=1, hashes=hashes, signature=bytes(64)))
    while end.take_output():
        pass
    assert count_messages(end, Done) == 1
    assert get_proofs(LIAR) == []


def test_a_branch_that_nobody_sealed_is_a_lie() -> None:
    end = open_end(LIAR, 1)
    with pytest.raises(Forged):
        tell(end, Traced(device=DEVICE, position=1, hashes=bytes(32), signature=bytes(64)))


def test_questions_out_of_order() -> None:
    probe = Probe(device=DEVICE, positions=(1, 2))
    with pytest.raises(ProtocolViolation, match="before the last one"):
        tell(open_end(LIAR, 42), probe, probe)
    end = open_end(LIAR, 42)
    tell(end, Probe(device=DEVICE, positions=(2, 2)))
    with pytest.raises(ProtocolViolation, match="ascend"):
        end.take_output()


@pytest.mark.parametrize(
    ("leaf", "message"),
    [
        (Leaf(DEVICE, 0, bytes(32), 0, None), "a leaf up to 0"),
        (Leaf(DEVICE, 2**40, bytes(32), 0, None), "a leaf up to"),
        (Leaf(DEVICE, 2**40 - 1, bytes(32), 0, 1), "a leaf up to"),
        (Leaf(DEVICE, 0, bytes(32), 0, 3), "begins elsewhere"),
    ],
)
def test_leaves_that_cannot_be(leaf: Leaf, message: str) -> None:
    end = End(LIAR)
    end.receive(End(LIAR).take_output()[:PREFACE_BYTES])
    with pytest.raises(MalformedInput, match=message):
        tell(end, make_hello(LIAR), Leaves(leaves=(leaf,), last=True))


def test_what_was_announced_and_cut_since_is_gone() -> None:
    one, other = part(2, 1, 4)
    end = End(other)
    end.receive(End(other).take_output()[:PREFACE_BYTES])
    tell(end, make_hello(other))
    end.take_output()
    # The fixed branch is another one, and shorter, so what was announced is let go.
    other.gate.admit_statement(encode_statement(one.close_epoch()))
    assert other.gate.admit_piece(take_piece(one)) is Admission.ACCEPT
    assert get_position(other) == 3
    end.sent.clear()
    tell(end, Want(feeds=(Wanted(DEVICE, 4, 1),)))
    end.take_output()
    assert count_frames(b"".join(end.sent), Gone) == 1


def test_whoever_is_told_that_it_is_gone_asks_no_more() -> None:
    one = Peer_with(4)
    newcomer = Peer(FOUNDER)
    end = End(newcomer)
    end.receive(End(newcomer).take_output()[:PREFACE_BYTES])
    leaf = Leaf(DEVICE, 4, one.replica.get_feed(DEVICE).head, 0, None)
    tell(
        end,
        make_hello(newcomer),
        Leaves(leaves=(leaf,), last=True),
        Statements(statements=(), index=0, last=True),
    )
    end.take_output()
    tell(end, Gone(device=DEVICE))
    end.sent.clear()
    while end.take_output():
        pass
    assert end.session.counts.entries_received == 0
    assert count_frames(b"".join(end.sent), Done) == 1
