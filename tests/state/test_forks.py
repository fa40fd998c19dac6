"""Fork proofs: what is one, which ones are kept, and what follows for a feed and its replica."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from synaptic_crdt.errors import Forged, MalformedInput
from synaptic_crdt.state import limits
from synaptic_crdt.state.codec import encode
from synaptic_crdt.state.feeds import Piece, compute_origin
from synaptic_crdt.state.forks import ForkBook, find_fork, get_branch, prove_fork
from synaptic_crdt.state.held import Feed
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.loading import Damage, load_replica
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.statements import (
    Branch,
    ForkProof,
    encode_statement,
    make_fork_proof,
    verify_statement,
)
from synaptic_crdt.state.store import Store
from tests.forking import make_hash, sign_branch, sign_fork
from tests.state import witnessing
from tests.state.conftest import MARKET, OPENED_MS, ToyContract, Writer, admit, make_replica

SEQUENCER = Writer(9)
KEY = DeviceKey(bytes([7]) * 32)


def get_piece(feed: Feed, first: int = 1) -> Piece:
    piece = feed.get_piece(first)
    assert piece is not None
    return piece


def write(writer: Writer, amount: int, count: int = 1) -> None:
    for _ in range(count):
        writer.write((OPENED_MS + writer.feed.position, ("mint", amount)))


def copy_writer(writer: Writer, end: int) -> Writer:
    copied = Writer(writer.key.seed[0])
    if end:
        copied.append([entry.body for entry in writer.feed.entries[:end]])
    return copied


def make_fork(common: int, ours: int, theirs: int) -> tuple[Writer, Writer]:
    """Two copies of one device that share a beginning."""
    one = Writer(5)
    write(one, 1, common)
    other = copy_writer(one, common)
    write(one, 2, ours)
    write(other, 3, theirs)
    return one, other


def prove(one: Writer, other: Writer) -> ForkProof:
    position = find_fork(one.feed, get_piece(other.feed))
    assert position is not None
    proof = prove_fork(MARKET, one.feed, get_piece(other.feed), position)
    assert proof is not None
    return proof


# -- proofs ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("common", "ours", "theirs"), [(0, 1, 1), (3, 1, 1), (3, 5, 1), (3, 1, 5)])
def test_a_proof_names_the_position_exactly(common: int, ours: int, theirs: int) -> None:
    one, other = make_fork(common, ours, theirs)
    proof = prove(one, other)
    assert (proof.device, proof.position) == (one.device, common + 1)
    assert proof.signer == one.device
    assert proof.predecessor == one.feed.get_id(common)
    # Whoever finds it, it is the same one.
    assert prove(other, one) == proof
    assert verify_statement(MARKET, encode_statement(proof)) == proof
    first, second = proof.branches
    assert first.first < second.first


def test_a_proof_of_two_full_windows_is_within_its_limit() -> None:
    proof = sign_fork(MARKET, KEY, 1, (limits.WINDOW_ENTRIES, limits.WINDOW_ENTRIES))
    data = encode_statement(proof)
    assert 64 * limits.KIB < len(data) <= limits.FORK_PROOF_BYTES
    assert verify_statement(MARKET, data) == proof


def test_what_is_no_fork_is_not_proved() -> None:
    one, other = make_fork(2, 2, 0)
    assert find_fork(one.feed, get_piece(other.feed)) is None
    # A fork before the piece is none that the piece can show.
    write(other, 3, 4)
    later = Piece(other.device, 5, other.feed.get_id(4), (other.feed.entries[4].body,), bytes(64))
    assert find_fork(one.feed, later) is None
    # And what no seal covers cannot be shown.
    one.feed.truncate(3)
    assert get_branch(one.feed, 3) is None
    assert prove_fork(MARKET, one.feed, get_piece(other.feed), 3) is None


def fields_of(proof: ForkProof) -> list[Any]:
    one, other = proof.branches
    fields = [proof.device, proof.position, proof.predecessor]
    return ["fork", *fields, one.hashes, one.signature, other.hashes, other.signature]


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (2, "1", "is \\[fork"),
        (1, b"short", "32 bytes each"),
        (3, b"short", "32 bytes each"),
        (2, True, "out of bounds"),
        (2, 0, "out of bounds"),
        (2, 2**40, "out of bounds"),
        (2, 2**40 - 1, "last position"),
        (4, b"", "a branch of 0 bytes"),
        (4, bytes(33), "a branch of 33 bytes"),
        (6, bytes(32 * 1025), "a branch of 32800"),
        (4, b"\xff" * 32, "do not ascend"),
    ],
)
def test_malformed_proofs(place: int, value: object, message: str) -> None:
    fields = fields_of(sign_fork(MARKET, KEY, 1, (2, 2)))
    fields[place] = value
    with pytest.raises(MalformedInput, match=message):
        verify_statement(MARKET, encode(fields))


def test_a_proof_has_all_its_fields_and_two_branches() -> None:
    fields = fields_of(sign_fork(MARKET, KEY))
    for wrong in (fields[:-1], [*fields, b""], [*fields[:6], *fields[4:6]]):
        with pytest.raises(MalformedInput, match="fork proof"):
            verify_statement(MARKET, encode(wrong))


@pytest.mark.parametrize("place", [5, 7])
def test_forged_proofs(place: int) -> None:
    fields = fields_of(sign_fork(MARKET, KEY))
    with pytest.raises(Forged, match="the seal at 1"):
        verify_statement(bytes(32), encode(fields))
    fields[place] = bytes(64)
    with pytest.raises(Forged, match="the seal at 1"):
        verify_statement(MARKET, encode(fields))


# -- which proofs are kept -----------------------------------------------------------------------


def make_third(position: int) -> ForkProof:
    """Another proof of a fork at the same place: of two other branches."""
    before = compute_origin(MARKET, KEY.public)
    one, other = (sign_branch(MARKET, KEY, position, before, [make_hash(n, 9)]) for n in (3, 4))
    return make_fork_proof(MARKET, KEY.public, position, before, one, other)


def test_the_lowest_above_the_fixed_head_and_the_lowest_below() -> None:
    fixed = {KEY.public: 0}
    book = ForkBook(lambda device: fixed[device], lambda device: fixed[device])
    at = {position: sign_fork(MARKET, KEY, position) for position in (2, 5, 7)}
    assert list(book) == []
    assert book.get_open(KEY.public) is None
    for position, is_news in ((5, True), (7, False), (5, False), (2, True)):
        assert book.is_news(at[position]) is is_news
        if is_news:
            book.add(at[position])
    assert list(book) == [at[2]]
    assert book.take_dropped() == [at[5].id]
    assert book.take_dropped() == []
    # Once it is settled, the next one counts; and one is kept as evidence.
    fixed[KEY.public] = 6
    book.prune(KEY.public)
    assert book.get_open(KEY.public) is None
    assert not book.is_news(at[5])
    book.add(at[7])
    assert book.get_open(KEY.public) == at[7]
    assert tuple(book.get_proofs(KEY.public)) == (at[2], at[7])
    fixed[KEY.public] = 9
    book.prune(KEY.public)
    book.prune(bytes(32))
    assert list(book) == [at[2]]
    assert book.get_devices() == (KEY.public,)


def test_of_two_at_one_place_the_same_one_is_kept_whatever_came_first() -> None:
    kept: list[ForkProof] = []
    for proofs in (
        (sign_fork(MARKET, KEY), make_third(1)),
        (make_third(1), sign_fork(MARKET, KEY)),
    ):
        book = ForkBook(lambda _: 0, lambda _: 0)
        for proof in proofs:
            if book.is_news(proof):
                book.add(proof)
        kept += book
    assert kept[0] == kept[1]
    assert len(kept) == 2
    # A seal made anew is no other proof.
    one, other = kept[0].branches
    again = replace(kept[0], branches=(Branch(one.hashes, bytes(64)), other))
    assert not book.is_news(again)


# -- a feed that is cut ----------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 1023, 1024, 1025, 2048, 2500])
@pytest.mark.parametrize("back", [1, 3, 1024, 2500])
def test_a_cut_feed_goes_on_as_if_it_had_been_no_longer(length: int, back: int) -> None:
    writer, end = Writer(1), max(0, length - back)
    writer.append([encode([n, ["x"]]) for n in range(1, length + 1)])
    whole = copy_writer(writer, end)
    bodies = [entry.body for entry in writer.feed.entries]
    taken = writer.feed.truncate(end)
    assert [entry.position for entry in taken] == list(range(end + 1, length + 1))
    assert writer.feed.tip == whole.feed.tip
    assert writer.feed.sealed_position == end // 1024 * 1024
    writer.append(bodies[end:])
    whole.append(bodies[end:])
    assert writer.feed.tip == whole.feed.tip
    assert writer.feed.sealed_position == length
    assert writer.feed.get_piece(1) == whole.feed.get_piece(1)


# -- replicas --------------------------------------------------------------------------------------


@pytest.fixture
def replica() -> Replica:
    return make_replica(SEQUENCER.device)


def close_epoch(replica: Replica) -> None:
    checkpoint = replica.make_checkpoint(SEQUENCER.key, replica.chain.time_ms + 100, bool_of)
    replica.add_statement(checkpoint)


def bool_of(_: object) -> bool:
    return True


def test_a_fork_takes_out_what_is_folded_and_its_settlement_brings_it_back(
    replica: Replica,
) -> None:
    one, other = make_fork(2, 2, 1)
    root = make_replica(SEQUENCER.device).root
    admit(replica, [get_piece(copy_writer(one, 2).feed)])
    before = replica.root
    assert before != root
    admit(replica, [get_piece(one.feed, 3)])
    after = replica.root
    last = one.feed.entries[3].id
    assert replica.add_statement(prove(one, other)) == "kept"
    assert replica.add_statement(prove(one, other)) == "known"
    assert replica.root == before
    assert replica.branches.get_suspended_from(one.device) == 3
    assert (replica.entries, replica.entries_counted) == (4, 2)
    assert [o.entry.position for o in replica.machine.get_suspended()] == [3, 4]
    assert replica.machine.get_outcome(last) is None
    assert replica.machine.get_reversals()[last] == prove(one, other).id
    # What follows on the held branch waits, too.
    write(one, 2)
    admit(replica, [get_piece(one.feed, 5)])
    assert replica.root == before
    close_epoch(replica)
    assert replica.branches.get_suspended_from(one.device) == 0
    assert not replica.machine.get_suspended()
    assert not replica.machine.get_reversals()
    assert replica.root != after
    assert replica.chain.get_fixed_position(one.device) == 5


def test_a_fork_below_the_fixed_head_changes_nothing(replica: Replica) -> None:
    one, other = make_fork(2, 2, 1)
    admit(replica, [get_piece(one.feed)])
    close_epoch(replica)
    root = replica.root
    assert replica.add_statement(prove(one, other)) == "kept"
    assert replica.root == root
    assert replica.branches.get_suspended_from(one.device) == 0
    assert list(replica.branches.forks) == [prove(one, other)]


def test_a_proof_before_its_feed_waits_for_it(replica: Replica) -> None:
    one, other = make_fork(0, 2, 1)
    replica.add_statement(prove(one, other))
    admit(replica, [get_piece(one.feed)])
    assert replica.root == make_replica(SEQUENCER.device).root
    assert replica.get_leaves() == []
    close_epoch(replica)
    assert replica.get_leaves() == [(one.device, 2, one.feed.head)]


@pytest.mark.parametrize("proved", [False, True])
@pytest.mark.parametrize("common", [0, 2])
def test_the_losing_branch_is_let_go_and_the_fixed_one_taken(
    replica: Replica, proved: bool, common: int
) -> None:
    one, other = make_fork(common, 3, 3)
    loser = make_replica(SEQUENCER.device)
    admit(loser, [get_piece(one.feed)])
    loser.machine.fold()
    admit(replica, [get_piece(other.feed)])
    close_epoch(replica)
    checkpoint = replica.chain.get(1)
    assert checkpoint is not None
    if proved:
        loser.add_statement(prove(one, other))
    loser.add_statement(checkpoint)
    # The losing branch is held, and folded up to where it is known to agree with the fixed one.
    assert loser.get_feed(one.device).position == common + 3
    assert loser.branches.get_counted_position(one.device) == 0
    assert loser.root == make_replica(SEQUENCER.device).root
    assert loser.branches.is_awaiting(one.device)
    assert loser.branches.has_branch(one.device) is proved
    # It gives way to the fixed one, which brings the same state, and to no other.
    assert loser.branches.is_to_yield(get_piece(other.feed), common + 1)
    assert not loser.branches.is_to_yield(get_piece(one.feed), common + 1)
    loser.branches.give_way(one.device, common + 1)
    [truncation] = loser.branches.take_truncations()
    assert (truncation.device, truncation.position) == (one.device, common)
    assert list(truncation.void) == one.feed.entries[common:]
    assert loser.branches.take_truncations() == []
    admit(loser, [get_piece(other.feed, common + 1)])
    assert loser.root == replica.root
    assert not loser.branches.is_awaiting(one.device)
    assert not loser.branches.is_to_yield(get_piece(other.feed), common + 1)


def test_only_what_is_awaited_gives_way(replica: Replica) -> None:
    one, other = make_fork(2, 1, 3)
    source = make_replica(SEQUENCER.device)
    admit(source, [get_piece(other.feed)])
    close_epoch(source)
    admit(replica, [get_piece(one.feed)])
    assert not replica.branches.yield_from(one.device, 3)
    checkpoint = source.chain.get(1)
    assert checkpoint is not None
    replica.add_statement(checkpoint)
    # The replica is shorter than what is fixed, so it cannot know by itself.
    assert replica.branches.get_limit(one.device) is None
    assert not replica.branches.yield_from(one.device, 4)
    assert replica.branches.yield_from(one.device, 3)
    # From now on for whatever parts there, though it may not lead to what is awaited.
    assert replica.branches.is_to_yield(get_piece(copy_writer(other, 3).feed, 3), 3)
    replica.branches.give_way(one.device, 3)
    assert replica.get_feed(one.device).position == 2
    admit(replica, [get_piece(other.feed, 3)])
    assert replica.root == source.root


def test_a_proof_of_other_branches_does_not_say_where_ours_parts(replica: Replica) -> None:
    # Three branches: ours parts at 2 already, which nobody has proved.
    one, other = make_fork(3, 1, 1)
    ours = copy_writer(one, 1)
    write(ours, 4, 4)
    source = make_replica(SEQUENCER.device)
    admit(source, [get_piece(other.feed)])
    close_epoch(source)
    admit(replica, [get_piece(ours.feed)])
    replica.add_statement(prove(one, other))
    checkpoint = source.chain.get(1)
    assert checkpoint is not None
    replica.add_statement(checkpoint)
    assert replica.get_feed(one.device).position == ours.feed.position
    assert replica.branches.get_counted_position(one.device) == 0


def test_two_checkpoints_on_the_way_are_followed_in_order(replica: Replica) -> None:
    one, other = make_fork(1, 1, 3)
    source = make_replica(SEQUENCER.device)
    admit(source, [get_piece(copy_writer(other, 1).feed)])
    close_epoch(source)
    admit(source, [get_piece(other.feed, 2)])
    close_epoch(source)
    stranger = Writer(6)
    write(stranger, 1)
    admit(replica, [get_piece(copy_writer(one, 1).feed)])
    for index in (1, 2):
        checkpoint = source.chain.get(index)
        assert checkpoint is not None
        replica.add_statement(checkpoint)
    admit(replica, [get_piece(one.feed, 2)])
    assert replica.machine.epoch == 1
    # What is in effect is never given up.
    assert not replica.branches.yield_from(one.device, 1)
    assert replica.branches.yield_from(one.device, 2)
    replica.branches.give_way(one.device, 2)
    admit(replica, [get_piece(other.feed, 2)])
    assert replica.root == source.root


# -- witnesses and handovers -----------------------------------------------------------------------


def make_witnessed() -> Replica:
    return Replica(
        MARKET,
        sequencer=witnessing.SEQUENCER.public,
        opened_ms=OPENED_MS,
        make_contract=ToyContract,
        witnesses=[key.public for key in witnessing.WITNESSES],
        recovery=witnessing.RECOVERY.public,
    )


def make_recoverable() -> Replica:
    return Replica(
        MARKET,
        sequencer=witnessing.SEQUENCER.public,
        opened_ms=OPENED_MS,
        make_contract=ToyContract,
        recovery=witnessing.RECOVERY.public,
    )


def test_a_witness_gets_the_branch_that_it_is_asked_to_cosign() -> None:
    one, other = make_fork(2, 2, 3)
    source, witness = make_witnessed(), make_witnessed()
    for replica, writer in ((source, one), (witness, other)):
        admit(replica, [get_piece(writer.feed)])
        replica.add_statement(prove(one, other))
    root = witness.root
    candidate = source.make_checkpoint(witnessing.SEQUENCER, OPENED_MS + 100, bool_of)
    witness.add_statement(candidate)
    # The fork is not settled yet, so nothing that is folded has changed.
    assert witness.root == root
    assert witness.branches.is_awaiting(one.device)
    assert witness.examine(candidate) is None
    assert witness.branches.is_to_yield(get_piece(one.feed), 3)
    witness.branches.give_way(one.device, 3)
    admit(witness, [get_piece(one.feed, 3)])
    assert witness.root == root
    examination = witness.examine(candidate)
    assert examination is not None
    assert examination.root == candidate.root
    for key in witnessing.WITNESSES[:2]:
        witness.add_statement(witnessing.cosign(candidate, key))
    assert witness.root == candidate.root
    assert not witness.branches.get_suspended_from(one.device)


def test_of_two_candidates_none_is_followed() -> None:
    one, other = make_fork(2, 2, 3)
    witness = make_witnessed()
    admit(witness, [get_piece(other.feed)])
    witness.add_statement(prove(one, other))
    for writer in (one, copy_writer(one, 3)):
        source = make_witnessed()
        admit(source, [get_piece(writer.feed)])
        made = source.make_checkpoint(witnessing.SEQUENCER, OPENED_MS + 100, bool_of)
        witness.add_statement(made)
    assert witness.is_halted
    assert not witness.branches.is_awaiting(one.device)


@pytest.mark.parametrize("is_in_effect", [False, True])
def test_a_handover_that_undoes_a_checkpoint_opens_its_forks_again(is_in_effect: bool) -> None:
    one, other = make_fork(2, 2, 3)
    source, replica = make_recoverable(), make_recoverable()
    admit(source, [get_piece(one.feed)])
    stranger = Writer(6)
    write(stranger, 1)
    admit(source, [get_piece(stranger.feed)])
    source.add_statement(source.make_checkpoint(witnessing.SEQUENCER, OPENED_MS + 100, bool_of))
    checkpoint = source.chain.get(1)
    assert checkpoint is not None
    admit(replica, [get_piece(one.feed)])
    if is_in_effect:
        admit(replica, [get_piece(stranger.feed)])
    replica.add_statement(prove(one, other))
    replica.add_statement(checkpoint)
    assert replica.machine.epoch == is_in_effect
    assert not replica.branches.get_suspended_from(one.device)
    replica.add_statement(witnessing.hand_over(None))
    assert replica.chain.index == 0
    assert replica.branches.get_suspended_from(one.device) == 3
    assert replica.branches.get_counted_position(one.device) == 2
    assert not replica.branches.is_awaiting(one.device)
    fresh = make_recoverable()
    for writer in (copy_writer(one, 2), *([stranger] if is_in_effect else [])):
        admit(fresh, [get_piece(writer.feed)])
    assert replica.root == fresh.root


@pytest.mark.parametrize("is_in_effect", [False, True])
def test_a_handover_leaves_no_proof_that_another_makes_superfluous(is_in_effect: bool) -> None:
    one, other = make_fork(2, 3, 3)
    later = copy_writer(one, 4)
    write(later, 4)
    replica = make_recoverable()
    admit(replica, [get_piece(copy_writer(one, 3).feed)])
    if not is_in_effect:
        stranger = Writer(6)
        write(stranger, 1)
        source = make_recoverable()
        admit(source, [get_piece(copy_writer(one, 3).feed), get_piece(stranger.feed)])
    else:
        source = replica
    checkpoint = source.make_checkpoint(witnessing.SEQUENCER, OPENED_MS + 100, bool_of)
    replica.add_statement(checkpoint)
    assert replica.machine.epoch == is_in_effect
    lowest, open_one = prove(one, other), prove(one, later)
    replica.add_statement(open_one)
    replica.add_statement(lowest)
    assert list(replica.branches.forks) == [lowest, open_one]
    replica.add_statement(witnessing.hand_over(None))
    # As in a replica that hears of everything after the handover.
    assert list(replica.branches.forks) == [lowest]
    assert replica.branches.forks.take_dropped() == [open_one.id]


def test_what_a_checkpoint_on_the_way_fixed_is_not_let_go_for_the_next(replica: Replica) -> None:
    one, other = make_fork(2, 3, 3)
    source = make_replica(SEQUENCER.device)
    stranger = Writer(6)
    write(stranger, 1)
    admit(source, [get_piece(stranger.feed), get_piece(copy_writer(one, 2).feed)])
    close_epoch(source)
    admit(source, [get_piece(other.feed, 3)])
    close_epoch(source)
    admit(replica, [get_piece(one.feed)])
    for index in (1, 2):
        checkpoint = source.chain.get(index)
        assert checkpoint is not None
        replica.add_statement(checkpoint)
    # The first waits for the stranger, and what it names of the forker is held all the same.
    assert replica.machine.epoch == 0
    assert replica.branches.get_counted_position(one.device) == 2
    assert not replica.branches.yield_from(one.device, 2)
    replica.branches.give_way(one.device, 3)
    admit(replica, [get_piece(stranger.feed), get_piece(other.feed, 3)])
    assert replica.root == source.root


# -- stores ------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.create(tmp_path / "market.db", b"genesis")
    yield store
    store.close()


def lose(store: Store, common: int) -> tuple[Replica, Writer, Writer]:
    """Store a losing branch, and what says that another one is fixed."""
    one, other = make_fork(common, 3, 3)
    source, loser = make_replica(SEQUENCER.device), make_replica(SEQUENCER.device)
    admit(source, [get_piece(other.feed)])
    close_epoch(source)
    checkpoint, proof = source.chain.get(1), prove(one, other)
    assert checkpoint is not None
    store.write(pieces=[get_piece(one.feed)])
    admit(loser, [get_piece(one.feed)])
    for statement in (proof, checkpoint):
        loser.add_statement(statement)
        store.write(statements=[(statement.id, encode_statement(statement))])
    return loser, one, other


def load(store: Store) -> tuple[Replica, tuple[Damage, ...]]:
    replica = make_replica(SEQUENCER.device)
    return replica, load_replica(store, replica)


@pytest.mark.parametrize("common", [0, 3])
@pytest.mark.parametrize("is_written", [False, True])
def test_what_lost_is_kept_apart_and_the_rest_is_loaded(
    store: Store, common: int, is_written: bool
) -> None:
    loser, one, other = lose(store, common)
    if is_written:
        give_way(store, loser, other, common + 1)
    opened, damages = load(store)
    assert damages == ()
    assert opened.root == loser.root
    held, kept = (other, common) if is_written else (one, common + 3)
    assert opened.get_feed(one.device).head == held.feed.head
    void = store.read_void_entries()
    assert [entry.id for entry in void] == [e.id for e in one.feed.entries[kept:]]
    assert [entry.position for entry in void] == list(range(kept + 1, common + 4))
    assert all(entry.is_sound for entry in void)


def give_way(store: Store, loser: Replica, winner: Writer, position: int) -> None:
    loser.branches.give_way(winner.device, position)
    piece = get_piece(winner.feed, position)
    store.write(truncations=loser.branches.take_truncations(), pieces=[piece])
    admit(loser, [piece])


def test_a_void_entry_that_is_altered_is_named(store: Store) -> None:
    loser, one, other = lose(store, 3)
    give_way(store, loser, other, 4)
    store._connection.execute("UPDATE void_entries SET body = x'00' WHERE position = 5")
    _, damages = load(store)
    assert [(each.kind, each.position) for each in damages] == [("void", 5)]
    assert not damages[0].forbids_writing(one.device)


def test_a_proof_that_became_superfluous_is_dropped(store: Store) -> None:
    proofs = [sign_fork(MARKET, KEY, position) for position in (7, 4)]
    store.write(statements=[(proof.id, encode_statement(proof)) for proof in proofs])
    opened, damages = load(store)
    assert damages == ()
    assert list(opened.branches.forks) == [proofs[1]]
    store.write(dropped_statements=opened.branches.forks.take_dropped())
    assert [data for _, data in store.read_statements()] == [encode_statement(proofs[1])]


def test_a_store_of_before_learns_to_keep_what_is_void(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    Store.create(path, b"genesis").close()
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE void_entries")
    connection.close()
    opened = Store.open(path)
    assert opened.read_void_entries() == []
    opened.close()
