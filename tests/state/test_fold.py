"""The fold is a function of the set of entries and counted checkpoints, of nothing else.

Beside every real machine stands a replay that knows no rollback, no batch and no staging: it
sorts what there is and applies it once, from an empty state.
"""

import random
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synaptic_crdt.state.clock import get_ms, pack_timestamp
from synaptic_crdt.state.codec import Value
from synaptic_crdt.state.contract import Timers
from synaptic_crdt.state.feeds import Entry, Piece, seal_bodies
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.machine import Machine
from synaptic_crdt.state.merkle import (
    compute_leaf,
    compute_row_key,
    compute_state_root,
    compute_verdict_leaf,
    compute_verdicts_root,
    update_tree,
)
from synaptic_crdt.state.outcomes import EpochRow, FeedRow
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.statements import Checkpoint
from synaptic_crdt.state.tables import Tables
from tests.state.conftest import (
    MARKET,
    NO_CAUSE,
    NO_OWNER,
    OPENED_MS,
    SHORT,
    AccountRow,
    ToyContract,
    Writer,
    admit,
    dump_machine,
    dump_tables,
    make_machine,
    make_replica,
)

Epoch = tuple[Mapping[bytes, int], int]


class Replay:
    """A fold of given entries and epochs from nothing, in one straight run."""

    def __init__(self, entries: Sequence[Entry], epochs: Sequence[Epoch] = ()) -> None:
        self.tables = Tables()
        self.timers = Timers(self.tables)
        self.feeds = self.tables.declare("feeds", FeedRow)
        self.epochs = self.tables.declare("epochs", EpochRow)
        self.contract = ToyContract(self.tables, self.timers)
        self.now = OPENED_MS
        self.outcomes: list[tuple[bytes, int, int, int]] = []
        opened_ms = OPENED_MS
        waiting = list(entries)
        for epoch, (frontier, closed_ms) in enumerate(epochs, 1):
            included = [e for e in waiting if e.position <= frontier.get(e.device, 0)]
            waiting = [e for e in waiting if e not in included]
            before = len(self.outcomes)
            for entry in sorted(included, key=sort_key):
                self.apply(entry, min(max(get_ms(entry.time), opened_ms), closed_ms), epoch)
            self.fire(closed_ms)
            self.now = opened_ms = closed_ms
            self.contract.close_epoch(closed_ms, epoch)
            leaves = [
                compute_verdict_leaf(entry.device, entry.position, entry.id, verdict)
                for entry, (_, verdict, _, _) in zip(
                    sorted(included, key=sort_key), self.outcomes[before:], strict=True
                )
            ]
            row = EpochRow(closed_ms, len(included), compute_verdicts_root(leaves))
            self.epochs.set(epoch.to_bytes(8, "big"), row)
        for entry in sorted(waiting, key=sort_key):
            self.apply(entry, max(get_ms(entry.time), opened_ms), 0)
        self.epoch = len(epochs)

    def apply(self, entry: Entry, now: int, epoch: int) -> None:
        self.fire(now)
        self.now = now
        operation = self.contract.read(entry.operation)
        verdict = self.contract.apply(now, entry.device, entry.position, entry.id, operation)
        self.feeds.set(entry.device, FeedRow(entry.position, entry.id, closed=False))
        self.outcomes.append((entry.id, verdict, now, epoch))

    def fire(self, up_to_ms: int) -> None:
        while (due := self.timers.next_due()) is not None and due[0] <= up_to_ms:
            self.timers.clear(due[1])
            self.now = max(self.now, due[0])
            self.contract.fire(self.now, due[1])

    @property
    def root(self) -> bytes:
        leaves: dict[bytes, bytes | None] = {}
        for table in self.tables.get_tables():
            for key, row in table._rows.items():
                row_key = compute_row_key(table.name, key)
                leaves[row_key] = compute_leaf(row_key, row)
        return compute_state_root(MARKET, self.epoch, self.now, update_tree(None, leaves))


def sort_key(entry: Entry) -> tuple[int, bytes, bytes]:
    tie = compute_hash("tie", entry.time.to_bytes(8, "big"), entry.device)
    return entry.time, tie, entry.id


def check_against_replay(replica: Replica) -> None:
    machine = replica.machine
    chain = [replica.chain.get(index) for index in range(1, machine.epoch + 1)]
    epochs = [
        ({item.device: item.position for item in checkpoint.frontier}, checkpoint.time)
        for checkpoint in chain
        if checkpoint is not None
    ]
    entries = [entry for feed in replica.feeds.values() for entry in feed.entries]
    replay = Replay(entries, epochs)
    outcomes = [*machine.get_settled(), *machine.get_tail()]
    assert [(o.entry.id, o.verdict, o.now, o.epoch) for o in outcomes] == replay.outcomes
    assert machine.now == replay.now
    assert machine.epoch == replay.epoch
    # Rows, indexes and timers: whatever was rolled back has left no trace.
    assert dump_tables(machine.tables) == dump_tables(replay.tables)
    assert replica.root == replay.root
    for outcome in outcomes:
        assert machine.get_outcome(outcome.entry.id) is outcome


class Scenario:
    """Feeds and honest checkpoints that came about in some random way."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.writers = [Writer(seed) for seed in (1, 2, 3)]
        self.sequencer = Writer(9)
        self.checkpoints: list[Checkpoint] = []
        replica = make_replica(self.sequencer.device)
        time_ms = OPENED_MS
        for _ in range(chance.randint(1, 3)):
            for writer in self.writers:
                writer.write(*self.draw_operations())
            self.deliver_some(replica)
            if chance.random() < 0.7:
                time_ms += chance.randint(0, 8)
                checkpoint = replica.make_checkpoint(self.sequencer.key, time_ms, bool)
                assert replica.add_statement(checkpoint) == "counts"
                assert replica.final_epoch == len(self.checkpoints) + 1
                self.checkpoints.append(checkpoint)

    def draw_operations(self) -> list[tuple[int, list[Any]]]:
        chance = self.chance
        operations: list[tuple[int, list[Any]]] = []
        for _ in range(chance.randint(0, 4)):
            to = chance.choice(self.writers).device
            operation: list[Any] = chance.choice(
                [
                    ["mint", chance.randint(1, 9)],
                    ["pay", to, chance.randint(1, 5)],
                    ["take", to, chance.randint(1, 5)],
                    ["lock", to, chance.randint(1, 5), chance.randint(-3, 6)],
                    ["unlock"],
                    ["promise", chance.randint(1, 4)],
                    ["after", self.draw_cause()],
                    ["nonsense"],
                ]
            )
            # So few moments that devices often meet at one.
            operations.append((OPENED_MS + chance.randint(-3, 20), operation))
        return operations

    def draw_cause(self) -> bytes:
        entries = [entry for writer in self.writers for entry in writer.feed.entries]
        return self.chance.choice(entries).id if entries else bytes(32)

    def deliver_some(self, replica: Replica) -> None:
        for writer in self.writers:
            held = replica.get_feed(writer.device).position
            target = self.chance.randint(held, writer.feed.position)
            admit(replica, cut(writer, held, target))

    def make_events(self) -> list[list[Piece | Checkpoint]]:
        """Return what can arrive, as lanes: each in its order, the lanes in any."""
        lanes: list[list[Piece | Checkpoint]] = [list(self.checkpoints)]
        for writer in self.writers:
            end = writer.feed.position
            stops = sorted([0, self.chance.randint(0, end), self.chance.randint(0, end), end])
            lanes.append(
                [piece for start, stop in pairwise(stops) for piece in cut(writer, start, stop)]
            )
        return lanes


def cut(writer: Writer, start: int, stop: int) -> list[Piece]:
    """Return the entries after ``start`` up to ``stop`` as a piece that ends there."""
    if start == stop:
        return []
    feed = writer.feed
    time = feed.entries[start - 1].time if start else -1
    tip = type(feed.tip)(feed.device, start, feed.get_id(start), time, start)
    bodies = [entry.body for entry in feed.entries[start:stop]]
    return list(seal_bodies(MARKET, writer.key, tip, bodies))


@pytest.mark.untraced
@settings(max_examples=150)
@given(chance=st.randoms(use_true_random=False))
def test_any_delivery_gives_the_straight_fold(chance: random.Random) -> None:
    scenario = Scenario(chance)
    replicas: list[Replica] = []
    for _ in range(2):
        replica = make_replica(scenario.sequencer.device)
        replicas.append(replica)
        lanes = scenario.make_events()
        while any(lanes):
            match chance.choice([lane for lane in lanes if lane]).pop(0):
                case Piece() as piece:
                    admit(replica, [piece])
                case Checkpoint() as checkpoint:
                    assert replica.add_statement(checkpoint) == "counts"
            # Reading in between folds provisionally, what a later arrival must take back.
            if chance.random() < 0.5:
                check_against_replay(replica)
    for replica in replicas:
        assert replica.machine.epoch == len(scenario.checkpoints)
        assert not replica.divergences
        check_against_replay(replica)
    assert replicas[0].root == replicas[1].root
    assert replicas[0].compute_digest() == replicas[1].compute_digest()


@pytest.mark.untraced
@settings(max_examples=80)
@given(chance=st.randoms(use_true_random=False))
def test_a_staged_epoch_that_is_aborted_leaves_no_trace(chance: random.Random) -> None:
    scenario = Scenario(chance)
    replica = make_replica(scenario.sequencer.device)
    for checkpoint in scenario.checkpoints:
        replica.add_statement(checkpoint)
    for writer in scenario.writers:
        scenario.deliver_some(replica)
        replica.machine.fold()
        admit(replica, cut(writer, replica.get_feed(writer.device).position, writer.feed.position))
    machine = replica.machine
    before = dump_machine(machine)
    for _ in range(3):
        frontier: dict[bytes, int] = {}
        for writer in scenario.writers:
            fixed = (
                replica.chain.get_fixed_position(writer.device)
                if machine.epoch == replica.chain.index
                else sum(o.entry.device == writer.device for o in machine.get_settled())
            )
            position = chance.randint(fixed, replica.get_feed(writer.device).position)
            if position > fixed:
                frontier[writer.device] = position
        machine.stage_epoch(frontier, machine.epoch_ms + chance.randint(0, 25))
        machine.abort_epoch()
        assert dump_machine(machine) == before
    check_against_replay(replica)


@pytest.mark.untraced
@settings(max_examples=80)
@given(chance=st.randoms(use_true_random=False))
def test_a_preview_is_the_verdict_and_changes_nothing(chance: random.Random) -> None:
    scenario = Scenario(chance)
    replica = make_replica(scenario.sequencer.device)
    for writer in scenario.writers:
        admit(replica, cut(writer, 0, writer.feed.position))
    machine = replica.machine
    before = dump_machine(machine)
    writer = chance.choice(scenario.writers)
    time_ms = OPENED_MS + chance.randint(20, 40)
    for operation in [["pay", bytes(32), 3], ["unlock"], ["mint", 1]]:
        verdict = machine.preview(
            pack_timestamp(time_ms, 900), writer.device, writer.feed.position + 1, tuple(operation)
        )
        assert dump_machine(machine) == before
        entries = [entry for feed in replica.feeds.values() for entry in feed.entries]
        probe = Replay(entries)
        probe.fire(time_ms)
        expected = probe.contract.apply(
            time_ms, writer.device, writer.feed.position + 1, bytes(32), tuple(operation)
        )
        assert verdict == expected


def test_a_preview_is_at_its_own_time_and_not_before_the_market_opened() -> None:
    class Clock(ToyContract):
        def apply(
            self, now: int, device: bytes, position: int, entry_id: bytes, operation: object
        ) -> int:
            if operation == ("when",):
                return now - OPENED_MS
            return super().apply(now, device, position, entry_id, operation)

    machine = Machine(MARKET, OPENED_MS, Clock)
    writer = Writer(1)
    writer.write((OPENED_MS + 50, ["mint", 1]))
    machine.add(writer.feed.entries)
    # What is stamped later than the operation comes after it, and its time does not count yet.
    for ms, seen in ((-10, 0), (10, 10), (50, 50), (70, 70)):
        time = pack_timestamp(OPENED_MS + ms)
        assert machine.preview(time, writer.device, 2, ("when",)) == seen


def test_late_entries_in_many_batches_are_folded_in_their_order() -> None:
    machine = make_machine()
    writer = Writer(1)
    writer.write(*[(OPENED_MS + n, ["mint", n]) for n in range(200)])
    entries = writer.feed.entries
    machine.add(entries[150:])
    assert len(machine.get_tail()) == 50
    machine.add(entries[100:150])
    machine.add(entries[:100])
    assert [o.entry.position for o in machine.get_tail()] == list(range(1, 201))
    assert machine.root == Replay(entries).root


def get_verdicts(machine: Machine) -> list[int]:
    return [o.verdict for o in [*machine.get_settled(), *machine.get_tail()]]


def hold(machine: Machine, writer: Writer, ms: int, *operation: Value) -> Entry:
    """Write an operation and let the machine fold it."""
    writer.write((OPENED_MS + ms, operation))
    machine.add(writer.feed.entries[-1:])
    machine.fold()
    return writer.feed.entries[-1]


def test_a_late_entry_that_takes_the_tokens_is_named_as_the_cause(writers: list[Writer]) -> None:
    machine = make_machine()
    owner, thief, friend = writers
    hold(machine, owner, 0, "mint", 5)
    paid = hold(machine, owner, 10, "pay", friend.device, 5)
    after = hold(machine, owner, 11, "after", paid.id)
    assert machine.get_reversals() == {}
    taken = hold(machine, thief, 5, "take", owner.device, 5)
    assert get_verdicts(machine) == [0, 0, SHORT, NO_CAUSE]
    assert machine.get_reversals() == {paid.id: taken.id, after.id: taken.id}
    # And applied again, once another late entry makes up for it.
    hold(machine, friend, 6, "mint", 9)
    hold(machine, friend, 7, "pay", owner.device, 5)
    assert get_verdicts(machine) == [0] * 6
    assert machine.get_reversals() == {}


def test_an_entry_refused_from_the_start_is_no_reversal(writers: list[Writer]) -> None:
    machine = make_machine()
    owner, thief, friend = writers
    hold(machine, owner, 10, "pay", friend.device, 5)
    hold(machine, owner, 11, "after", bytes(32))
    hold(machine, thief, 5, "mint", 5)
    assert get_verdicts(machine) == [0, SHORT, NO_CAUSE]
    assert machine.get_reversals() == {}


def test_an_epoch_without_the_cause_takes_back_the_effect(writers: list[Writer]) -> None:
    machine = make_machine()
    cause, effect, _ = writers
    first = hold(machine, cause, 1, "mint", 1)
    second = hold(machine, effect, 2, "after", first.id)
    machine.stage_epoch({effect.device: 1}, OPENED_MS + 5)
    (staged,) = machine.get_staged()
    assert staged.verdict == NO_CAUSE
    machine.abort_epoch()
    assert get_verdicts(machine) == [0, 0]
    assert machine.get_reversals() == {}
    machine.stage_epoch({effect.device: 1}, OPENED_MS + 5)
    machine.commit_epoch()
    assert get_verdicts(machine) == [NO_CAUSE, 0]
    assert list(machine.get_reversals()) == [second.id]


def test_staging_what_reverses_and_restores_is_forgotten(writers: list[Writer]) -> None:
    machine = make_machine()
    owner, thief, friend = writers
    hold(machine, owner, 0, "mint", 5)
    hold(machine, owner, 10, "pay", friend.device, 5)
    hold(machine, friend, 11, "pay", bytes(32), 5)
    hold(machine, thief, 5, "take", owner.device, 5)
    before = dump_machine(machine)
    assert len(machine.get_reversals()) == 2
    # Without the thief, both apply in the epoch.
    machine.stage_epoch({owner.device: 2, friend.device: 1}, OPENED_MS + 20)
    assert [o.verdict for o in machine.get_staged()] == [0, 0, 0]
    machine.abort_epoch()
    assert dump_machine(machine) == before
    # Without the mint nothing does, and the thief finds nothing either.
    machine.stage_epoch({thief.device: 1}, OPENED_MS + 20)
    assert [o.verdict for o in machine.get_staged()] == [NO_OWNER]
    machine.abort_epoch()
    assert dump_machine(machine) == before


def test_staging_before_anything_was_read_is_forgotten(writers: list[Writer]) -> None:
    machine = make_machine()
    cause, effect, _ = writers
    cause.write((OPENED_MS + 1, ["mint", 1]))
    effect.write((OPENED_MS + 2, ["after", cause.feed.entries[0].id]))
    machine.add([*cause.feed.entries, *effect.feed.entries])
    machine.stage_epoch({cause.device: 1, effect.device: 1}, OPENED_MS + 5)
    machine.abort_epoch()
    late = hold(machine, Writer(4), 0, "mint", 1)
    assert machine.get_tail()[0].entry == late
    assert machine.get_reversals() == {}


def test_effective_time_is_bounded_by_the_epochs_checkpoints() -> None:
    machine = make_machine()
    writer = Writer(1)
    early, inside, late = -50, 5, 500
    writer.write(*[(OPENED_MS + ms, ["mint", 1]) for ms in (early, inside, late)])
    machine.add(writer.feed.entries)
    assert [o.now for o in machine.get_tail()] == [OPENED_MS, OPENED_MS + 5, OPENED_MS + 500]
    machine.stage_epoch({writer.device: 3}, OPENED_MS + 10)
    machine.commit_epoch()
    assert [o.now for o in machine.get_settled()] == [OPENED_MS, OPENED_MS + 5, OPENED_MS + 10]
    assert machine.now == machine.epoch_ms == OPENED_MS + 10
    # In the tail: not before the last checkpoint.
    hoarder = Writer(2)
    hoarder.write((OPENED_MS + 1, ["mint", 1]))
    machine.add(hoarder.feed.entries)
    assert [o.now for o in machine.get_tail()] == [OPENED_MS + 10]


def test_deadlines_fire_at_their_own_time_and_before_the_entry() -> None:
    machine = make_machine()
    writer = Writer(1)
    writer.write(
        (OPENED_MS, ["mint", 9]),
        (OPENED_MS, ["lock", bytes(32), 4, 7]),
        (OPENED_MS + 7, ["unlock"]),
    )
    machine.add(writer.feed.entries[:2])
    assert machine.get_next_deadline() == OPENED_MS + 7
    machine.add(writer.feed.entries[2:])
    assert machine.get_next_deadline() is None
    assert [o.verdict for o in machine.get_tail()][2] != 0


def test_a_deadline_set_for_the_past_fires_at_the_market_time_it_meets() -> None:
    machine = make_machine()
    writer = Writer(1)
    even, odd = OPENED_MS + 10, OPENED_MS + 11
    # The toy gives back one token when a lock falls due at an odd millisecond.
    lock: list[Value] = ["lock", bytes(32), 4, -1]
    writer.write((even, ["mint", 9]), (even, lock), (even + 4, ["mint", 1]))
    machine.add(writer.feed.entries)
    assert get_balance(machine, bytes(32)) == 4
    assert machine.get_next_deadline() is None
    writer.write((odd + 4, lock), (odd + 4, ["mint", 1]))
    machine.add(writer.feed.entries[3:])
    assert get_balance(machine, bytes(32)) == 7


def get_balance(machine: Machine, device: bytes) -> int:
    (table,) = (table for table in machine.tables.get_tables() if table.name == "accounts")
    row = table.get(device)
    assert isinstance(row, AccountRow)
    return row.balance


def test_an_epochs_end_fires_what_is_due() -> None:
    machine = make_machine()
    writer = Writer(1)
    writer.write((OPENED_MS, ["mint", 9]), (OPENED_MS, ["lock", bytes(32), 4, 7]))
    machine.add(writer.feed.entries)
    machine.stage_epoch({}, OPENED_MS + 7)  # holds nothing: the lock is not made yet
    machine.commit_epoch()
    assert machine.get_next_deadline() == OPENED_MS + 14
    machine.stage_epoch({writer.device: 2}, OPENED_MS + 14)
    machine.commit_epoch()
    assert machine.get_next_deadline() is None
    assert (
        machine.root
        == Replay(
            writer.feed.entries, [({}, OPENED_MS + 7), ({writer.device: 2}, OPENED_MS + 14)]
        ).root
    )


def test_an_entry_refused_for_another_reason_is_no_reversal(writers: list[Writer]) -> None:
    machine = make_machine()
    owner, thief, _ = writers
    hold(machine, thief, 10, "take", owner.device, 5)
    assert get_verdicts(machine) == [NO_OWNER]
    hold(machine, owner, 5, "mint", 1)
    assert get_verdicts(machine) == [0, SHORT]
    assert machine.get_reversals() == {}


def test_a_subject_has_one_deadline_at_most() -> None:
    timers = Timers(Tables())
    timers.clear(b"a")
    assert timers.get(b"a") is None
    assert timers.next_due() is None
    timers.set(b"a", 5)
    timers.set(b"b", 5)
    timers.set(b"a", 7)
    assert timers.get(b"a") == 7
    assert timers.next_due() == (5, b"b")
    timers.clear(b"b")
    assert timers.next_due() == (7, b"a")


def test_what_is_not_held_has_no_outcome() -> None:
    assert make_machine().get_outcome(bytes(32)) is None


def test_a_refusal_that_changed_something_is_our_mistake() -> None:
    class Careless(ToyContract):
        def apply(
            self, now: int, device: bytes, position: int, entry_id: bytes, operation: object
        ) -> int:
            super().apply(now, device, position, entry_id, operation)
            return SHORT

    machine = Machine(MARKET, OPENED_MS, Careless)
    writer = Writer(1)
    writer.write((OPENED_MS, ["mint", 1]))
    machine.add(writer.feed.entries)
    with pytest.raises(AssertionError):
        machine.fold()
