"""A replica: when checkpoints take effect, what is final, what a new checkpoint includes."""

from collections.abc import Sequence

import msgspec
import pytest

from synaptic_crdt.errors import Forged
from synaptic_crdt.state import limits
from synaptic_crdt.state import replica as replica_module
from synaptic_crdt.state.clock import pack_timestamp
from synaptic_crdt.state.codec import Value
from synaptic_crdt.state.feeds import Entry
from synaptic_crdt.state.outcomes import Outcome
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.statements import Checkpoint, FrontierItem, sign_checkpoint
from tests.state.conftest import (
    MARKET,
    NO_CAUSE,
    OPENED_MS,
    SHORT,
    Writer,
    admit,
    dump_machine,
    make_replica,
)

SEQUENCER = Writer(9)


@pytest.fixture
def replica() -> Replica:
    return make_replica(SEQUENCER.device)


def hold(replica: Replica, writer: Writer, ms: int, *operation: Value) -> Entry:
    admit(replica, writer.write((OPENED_MS + ms, operation)))
    return writer.feed.entries[-1]


def checkpoint_at(replica: Replica, ms: int) -> Checkpoint:
    return replica.make_checkpoint(SEQUENCER.key, OPENED_MS + ms, bool)


def is_causal(outcome: Outcome) -> bool:
    return outcome.verdict != NO_CAUSE


def always(_: Outcome) -> bool:
    return True


def test_an_empty_replica(replica: Replica) -> None:
    assert replica.entries == 0
    assert replica.feeds == {}
    assert replica.final_epoch == 0
    assert not replica.is_halted
    assert replica.get_newest_time(2**40) == 0
    assert replica.root == make_replica().root
    assert len(replica.compute_digest()) == 32


def test_heads_are_equal_for_equal_feeds_alone(writers: list[Writer]) -> None:
    one, other = make_replica(), make_replica()
    first, second, _ = writers
    hold(one, first, 1, "mint", 1)
    hold(one, second, 1, "mint", 1)
    admit(other, [piece for w in (second, first) if (piece := w.feed.get_piece(1))])
    assert one.compute_digest() == other.compute_digest()
    assert one.get_leaves() == other.get_leaves()
    assert list(one.feeds) != list(other.feeds)  # in order of admission
    hold(one, first, 2, "mint", 1)
    assert one.compute_digest() != other.compute_digest()
    assert one.entries == 3


def test_the_newest_time_is_that_of_the_clock_at_most(writers: list[Writer]) -> None:
    replica = make_replica()
    first, second, _ = writers
    ahead = limits.CLOCK_SKEW_MS
    sensible = hold(replica, first, 0, "mint", 1)
    hold(replica, second, 1 + ahead, "mint", 1)
    assert replica.get_newest_time(OPENED_MS) == sensible.time
    # What stands behind an entry far ahead still counts.
    hold(replica, first, 2 + ahead, "mint", 1)
    assert replica.get_newest_time(OPENED_MS) == sensible.time
    assert replica.get_newest_time(OPENED_MS + 2) == pack_timestamp(OPENED_MS + 2 + ahead) + 0
    assert replica.get_newest_time(OPENED_MS - ahead - 1) == 0


def test_of_feeds_that_are_ahead_the_newest_time_is_the_same_however_often_it_is_asked(
    writers: list[Writer],
) -> None:
    replica = make_replica()
    day = 24 * 3_600_000
    for writer, times in zip(writers, ((1, day, 2 * day), (2, 3, 3 * day), (day,)), strict=True):
        for ms in times:
            hold(replica, writer, ms, "mint", 1)
    walls = [OPENED_MS + ms for ms in (0, 5, 5, 3 * day, day, day, 5, 4 * day, -day, 0, 2 * day)]
    asked = [replica.get_newest_time(wall) for wall in walls]
    for wall, found in zip(walls, asked, strict=True):
        times = [entry.time for writer in writers for entry in writer.feed.entries]
        follows = [time for time in times if (time >> 16) <= wall + limits.CLOCK_SKEW_MS]
        assert found == max(follows, default=0)


def test_of_a_feed_that_is_ahead_nothing_is_read_again(
    writers: list[Writer], monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = make_replica()
    hold(replica, writers[0], 1, "mint", 1)
    hold(replica, writers[0], 10**9, "mint", 1)
    newest = replica.get_newest_time(OPENED_MS)
    monkeypatch.setattr(replica_module, "bisect_left", None)
    hold(replica, writers[0], 2 * 10**9, "mint", 1)
    assert replica.get_newest_time(OPENED_MS + 1) == newest


def test_a_checkpoint_makes_its_entries_final(replica: Replica, writers: list[Writer]) -> None:
    entry = hold(replica, writers[0], 1, "mint", 1)
    outcome = replica.machine.get_outcome(entry.id)
    assert outcome is not None
    assert not replica.is_final(outcome)
    assert replica.add_statement(checkpoint_at(replica, 5)) == "counts"
    assert replica.is_final(outcome)
    late = hold(replica, writers[0], 2, "mint", 1)
    outcome = replica.machine.get_outcome(late.id)
    assert outcome is not None
    assert not replica.is_final(outcome)


def test_a_checkpoint_waits_for_all_it_names(replica: Replica, writers: list[Writer]) -> None:
    first, second, _ = writers
    hold(replica, first, 1, "mint", 1)
    hold(replica, second, 1, "mint", 1)
    one = checkpoint_at(replica, 5)
    replica.add_statement(one)
    hold(replica, second, 6, "mint", 1)
    two = checkpoint_at(replica, 7)
    replica.add_statement(two)

    other = make_replica(SEQUENCER.device)
    assert other.add_statement(two) == "too early"
    assert other.add_statement(one) == "counts"
    assert other.add_statement(one) == "known"
    assert other.add_statement(two) == "counts"
    assert other.machine.epoch == 0
    piece = second.feed.get_piece(1)
    assert piece is not None
    admit(other, [piece])
    assert other.machine.epoch == 0
    piece = first.feed.get_piece(1)
    assert piece is not None
    admit(other, [piece])
    assert other.machine.epoch == other.final_epoch == 2
    assert other.root == replica.root


def test_another_branch_is_not_what_a_checkpoint_names(replica: Replica) -> None:
    writer, branch = Writer(1), Writer(1)
    hold(replica, writer, 1, "mint", 1)
    other = make_replica(SEQUENCER.device)
    hold(other, branch, 1, "mint", 2)
    assert other.add_statement(checkpoint_at(replica, 5)) == "counts"
    assert other.machine.epoch == 0


def test_a_wrong_root_is_a_divergence(replica: Replica, writers: list[Writer]) -> None:
    entry = hold(replica, writers[0], 1, "mint", 1)
    honest = checkpoint_at(replica, 5)
    wrong = sign_checkpoint(
        MARKET,
        SEQUENCER.key,
        view=0,
        index=1,
        previous=MARKET,
        time=honest.time,
        frontier=honest.frontier,
        root=bytes(32),
    )
    assert replica.add_statement(wrong) == "counts"
    (divergence,) = replica.divergences
    assert (divergence.index, divergence.claimed, divergence.computed) == (
        1,
        bytes(32),
        honest.root,
    )
    outcome = replica.machine.get_outcome(entry.id)
    assert outcome is not None
    assert outcome.epoch == 1
    assert not replica.is_final(outcome)
    assert replica.final_epoch == 0
    # It does not block later ones; a root that agrees is that of all that came before it.
    assert replica.add_statement(checkpoint_at(replica, 9)) == "counts"
    assert replica.machine.epoch == 2
    assert replica.final_epoch == 2
    assert replica.is_final(outcome)
    assert len(replica.divergences) == 1


def test_two_checkpoints_of_one_index_halt(replica: Replica, writers: list[Writer]) -> None:
    hold(replica, writers[0], 1, "mint", 1)
    one, another = checkpoint_at(replica, 5), checkpoint_at(replica, 6)
    assert replica.add_statement(one) == "counts"
    assert replica.add_statement(another) == "conflict"
    assert replica.is_halted
    assert replica.add_statement(another) == "known"
    assert replica.chain.conflicts == (another,)
    assert replica.machine.epoch == 1
    # The market goes on provisionally.
    root = replica.root
    hold(replica, writers[0], 9, "mint", 1)
    assert replica.root != root
    assert replica.machine.epoch == 1


def test_a_checkpoint_of_somebody_else_is_forged(replica: Replica) -> None:
    other = make_replica(Writer(8).device)
    with pytest.raises(Forged):
        replica.add_statement(other.make_checkpoint(Writer(8).key, OPENED_MS, bool))


def test_making_a_checkpoint_takes_nothing(replica: Replica, writers: list[Writer]) -> None:
    for ms, writer in enumerate(writers):
        hold(replica, writer, ms, "mint", 9)
        hold(replica, writer, ms, "lock", bytes(32), 2, 3)
    before = dump_machine(replica.machine)
    checkpoint = checkpoint_at(replica, 2)
    assert dump_machine(replica.machine) == before
    assert checkpoint == checkpoint_at(replica, 2)
    assert [item.device for item in checkpoint.frontier] == sorted(w.device for w in writers)
    assert replica.chain.index == 0


def test_a_checkpoint_does_not_go_back_in_time(replica: Replica) -> None:
    replica.add_statement(checkpoint_at(replica, 50))
    again = checkpoint_at(replica, 10)
    assert again.time == OPENED_MS + 50
    assert again.frontier == ()
    assert replica.add_statement(again) == "counts"


def get_positions(frontier: Sequence[FrontierItem]) -> dict[bytes, int]:
    return {item.device: item.position for item in frontier}


def test_what_is_not_ready_waits_with_what_follows_in_its_feed(
    replica: Replica, writers: list[Writer]
) -> None:
    first, second, missing = writers
    missing.write((OPENED_MS + 1, ["mint", 1]))
    cause = missing.feed.entries[0]
    hold(replica, first, 1, "mint", 1)
    hold(replica, first, 2, "after", cause.id)
    hold(replica, first, 3, "mint", 1)
    hold(replica, second, 4, "mint", 1)
    checkpoint = replica.make_checkpoint(SEQUENCER.key, OPENED_MS + 9, is_causal)
    assert get_positions(checkpoint.frontier) == {first.device: 1, second.device: 1}
    assert replica.add_statement(checkpoint) == "counts"
    assert replica.final_epoch == 1
    # Nothing moves until the cause is here; then all of it does.
    assert replica.make_checkpoint(SEQUENCER.key, OPENED_MS + 9, is_causal).frontier == ()
    admit(replica, [piece for piece in [missing.feed.get_piece(1)] if piece])
    checkpoint = replica.make_checkpoint(SEQUENCER.key, OPENED_MS + 9, is_causal)
    assert get_positions(checkpoint.frontier) == {first.device: 3, missing.device: 1}
    replica.add_statement(checkpoint)
    assert [o.verdict for o in replica.machine.get_settled()] == [0] * 5


def test_a_frontier_is_closed_under_causes_again_and_again(
    replica: Replica, writers: list[Writer]
) -> None:
    # The last waits for the one before it, and so on: each is ready in the tail, and stops being
    # so once the epoch leaves out its cause.
    first, second, third = writers
    one = hold(replica, first, 1, "mint", 1)
    two = hold(replica, second, 2, "after", one.id)
    three = hold(replica, third, 3, "after", two.id)
    hold(replica, first, 4, "after", three.id)

    def is_ready(outcome: Outcome) -> bool:
        return outcome.entry != one and is_causal(outcome)

    before = dump_machine(replica.machine)
    checkpoint = replica.make_checkpoint(SEQUENCER.key, OPENED_MS + 9, is_ready)
    assert checkpoint.frontier == ()
    assert dump_machine(replica.machine) == before


def test_a_frontier_is_held_back_within_a_feed(replica: Replica, writers: list[Writer]) -> None:
    first, second, _ = writers
    hold(replica, second, 0, "mint", 1)
    one = hold(replica, first, 1, "mint", 1)
    hold(replica, second, 2, "mint", 1)
    hold(replica, second, 3, "after", one.id)
    hold(replica, second, 4, "mint", 1)

    def is_ready(outcome: Outcome) -> bool:
        return outcome.entry != one and is_causal(outcome)

    checkpoint = replica.make_checkpoint(SEQUENCER.key, OPENED_MS + 9, is_ready)
    assert get_positions(checkpoint.frontier) == {second.device: 2}
    assert replica.add_statement(checkpoint) == "counts"
    assert not replica.divergences


def test_time_in_the_epoch_decides_and_not_in_the_tail(
    replica: Replica, writers: list[Writer]
) -> None:
    # In the tail the lock falls due before it is taken back; the epoch's time is earlier.
    first, second, _ = writers
    hold(replica, first, 0, "mint", 5)
    hold(replica, first, 1, "lock", second.device, 5, 10)
    hold(replica, first, 30, "unlock")
    paid = hold(replica, first, 31, "pay", second.device, 5)
    outcome = replica.machine.get_outcome(paid.id)
    assert outcome is not None
    assert outcome.verdict == SHORT
    replica.add_statement(checkpoint_at(replica, 5))
    assert outcome.verdict == 0
    assert replica.final_epoch == 1


def test_one_feed_moves_in_several_epochs(replica: Replica, writers: list[Writer]) -> None:
    roots: list[bytes] = []
    for round_number in range(5):
        for writer in writers:
            hold(replica, writer, round_number * 10, "mint", 1)
            hold(replica, writer, round_number * 10, "promise", 1)
        replica.add_statement(checkpoint_at(replica, round_number * 10 + 5))
        roots.append(replica.root)
    other = make_replica(SEQUENCER.device)
    for index in range(1, 6):
        checkpoint = replica.chain.get(index)
        assert checkpoint is not None
        other.add_statement(checkpoint)
    admit(other, [piece for w in writers if (piece := w.feed.get_piece(1))])
    assert other.final_epoch == 5
    assert other.root == roots[-1]
    assert other.machine.get_settled() == replica.machine.get_settled()


def test_a_statement_signed_again_is_the_same_checkpoint(replica: Replica) -> None:
    one = checkpoint_at(replica, 1)
    replica.add_statement(one)
    assert replica.add_statement(msgspec.structs.replace(one, signature=bytes(64))) == "known"


def test_all_is_ready(replica: Replica, writers: list[Writer]) -> None:
    hold(replica, writers[0], 1, "mint", 1)
    assert len(replica.make_checkpoint(SEQUENCER.key, OPENED_MS, always).frontier) == 1
