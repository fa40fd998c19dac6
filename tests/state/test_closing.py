"""Feeds that the market ends: at a fixed place, whoever holds how much of what follows it."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synaptic_crdt.state.contract import APPLIED
from synaptic_crdt.state.feeds import Piece
from synaptic_crdt.state.heads import Heads
from synaptic_crdt.state.outcomes import FeedRow, Outcome
from synaptic_crdt.state.replica import Replica
from synaptic_crdt.state.statements import Checkpoint, FrontierItem, sign_checkpoint
from tests.state.conftest import (
    ENDED,
    MARKET,
    NO_OWNER,
    OPENED_MS,
    Writer,
    admit,
    dump_machine,
    make_replica,
)

SEQUENCER = Writer(9)


def hold(replica: Replica, writer: Writer, ms: int, *operation: object) -> Piece:
    (piece,) = writer.write((OPENED_MS + ms, list(operation)))  # type: ignore[list-item]
    admit(replica, [piece])
    return piece


def close(replica: Replica, ms: int) -> Checkpoint:
    checkpoint = replica.make_checkpoint(SEQUENCER.key, OPENED_MS + ms, is_ready)
    assert replica.add_statement(checkpoint) == "counts"
    return checkpoint


def is_ready(outcome: Outcome) -> bool:
    return outcome.verdict != NO_OWNER


def get_row(replica: Replica, device: bytes) -> FeedRow:
    (feeds,) = (t for t in replica.machine.tables.get_tables() if t.name == "feeds")
    row = feeds.get(device)
    assert row is not None
    return row


def describe(replica: Replica) -> object:
    """All that two replicas must agree on."""
    return (
        replica.root,
        replica.entries,
        replica.compute_digest(),
        replica.get_leaves(),
        Heads(MARKET, b"genesis").compute_heads(replica.feeds.values()),
        [(o.entry.id, o.epoch, o.verdict) for o in replica.machine.get_settled()],
        [(o.entry.id, o.epoch, o.verdict) for o in replica.machine.get_tail()],
    )


class Story:
    """A device is ended at its second entry; its third came before that, its fourth after."""

    def __init__(self) -> None:
        self.owner, self.lost = Writer(1), Writer(2)
        self.replica = make_replica(SEQUENCER.device)
        self.pieces = [
            hold(self.replica, self.lost, 1, "mint", 5),
            hold(self.replica, self.lost, 2, "mint", 6),
        ]
        self.statements = [close(self.replica, 3)]
        self.surplus = [
            hold(self.replica, self.lost, 4, "mint", 7),
            hold(self.replica, self.lost, 8, "mint", 8),
        ]
        self.end = hold(self.replica, self.owner, 5, "end", self.lost.device)
        self.replica.machine.fold()
        self.before_end = [o.verdict for o in self.replica.machine.get_tail()]
        self.statements.append(close(self.replica, 9))
        self.pieces.append(self.end)


@pytest.fixture
def story() -> Story:
    return Story()


def test_a_feed_ends_where_checkpoints_had_fixed_it(story: Story) -> None:
    replica, device = story.replica, story.lost.device
    assert story.before_end == [APPLIED, APPLIED, ENDED]
    assert [item.device for item in story.statements[1].frontier] == [story.owner.device]
    row = get_row(replica, device)
    assert (row.position, row.closed) == (2, True)
    assert not get_row(replica, story.owner.device).closed
    feed = replica.feeds[device]
    assert (feed.end, feed.position, feed.closed_position) == (2, 4, 2)
    assert replica.entries == 3
    assert list(replica.machine.get_tail()) == []
    assert [entry.position for entry in replica.get_void()] == [3, 4]
    assert not replica.divergences


def test_what_was_seen_to_apply_is_reversed_by_what_ended_the_feed(story: Story) -> None:
    (end,) = story.owner.feed.entries
    third, fourth = story.lost.feed.entries[2:]
    assert dict(story.replica.machine.get_reversals()) == {third.id: end.id}
    for entry in (third, fourth):
        assert story.replica.machine.get_outcome(entry.id) is None


def test_nothing_more_of_it_is_folded(story: Story) -> None:
    before = dump_machine(story.replica.machine)
    described = describe(story.replica)
    hold(story.replica, story.lost, 10, "mint", 9)
    assert describe(story.replica) == described
    assert dump_machine(story.replica.machine) == before
    assert len(list(story.replica.get_void())) == 3
    next_one = close(story.replica, 12)
    assert next_one.frontier == ()


@pytest.mark.parametrize("surplus", [0, 1, 2])
@pytest.mark.parametrize("order", list(permutations(("lost", "end", "statements"))))
def test_all_come_to_the_same_whatever_they_hold_and_in_which_order(
    story: Story, order: tuple[str, ...], surplus: int
) -> None:
    other = make_replica(SEQUENCER.device)
    for lane in order:
        match lane:
            case "lost":
                admit(other, [*story.pieces[:2], *story.surplus[:surplus]])
            case "end":
                admit(other, [story.end])
            case _:
                for statement in story.statements:
                    assert other.add_statement(statement) == "counts"
    assert describe(other) == describe(story.replica)
    assert not other.divergences


@given(st.data())
def test_a_reader_in_between_changes_nothing(data: st.DataObject) -> None:
    story = Story()
    other = make_replica(SEQUENCER.device)
    lost = [*story.pieces[:2], *story.surplus]
    lanes: list[list[Piece] | list[Checkpoint]] = [lost, [story.end], list(story.statements)]
    while any(lanes):
        lane = data.draw(st.sampled_from([lane for lane in lanes if lane]))
        item = lane.pop(0)
        if isinstance(item, Piece):
            admit(other, [item])
        else:
            other.add_statement(item)
        if data.draw(st.booleans()):
            other.machine.fold()
    assert describe(other) == describe(story.replica)


def test_the_end_waits_until_its_device_has_come_in() -> None:
    """The revocation is nothing without the entry that made the device one."""
    owner, lost = Writer(1), Writer(2)
    replica = make_replica(SEQUENCER.device)
    for ms in (1, 2, 3):
        hold(replica, lost, ms, "mint", ms)
    hold(replica, owner, 4, "end", lost.device)
    checkpoint = close(replica, 5)
    positions = {item.device: item.position for item in checkpoint.frontier}
    assert positions == {lost.device: 1, owner.device: 1}
    assert replica.feeds[lost.device].closed_position == 1
    assert replica.entries == 2
    verdicts = {o.entry.device: o.verdict for o in replica.machine.get_settled()}
    assert verdicts == {lost.device: APPLIED, owner.device: APPLIED}


def test_an_end_that_is_not_ready_holds_nothing_back() -> None:
    owner, lost = Writer(1), Writer(2)
    replica = make_replica(SEQUENCER.device)
    hold(replica, lost, 1, "mint", 1)
    hold(replica, owner, 2, "take", Writer(3).device, 1)
    hold(replica, owner, 3, "end", lost.device)
    checkpoint = close(replica, 5)
    assert [item.device for item in checkpoint.frontier] == [lost.device]
    assert replica.feeds[lost.device].closed_position is None


def test_an_epoch_that_is_staged_and_aborted_closes_nothing(story: Story) -> None:
    owner, lost = Writer(1), Writer(2)
    replica = make_replica(SEQUENCER.device)
    hold(replica, lost, 1, "mint", 1)
    hold(replica, owner, 2, "end", lost.device)
    before = dump_machine(replica.machine)
    checkpoint = replica.make_checkpoint(SEQUENCER.key, OPENED_MS + 5, is_ready)
    assert dump_machine(replica.machine) == before
    assert get_row(replica, lost.device).closed is False
    replica.add_statement(checkpoint)
    assert get_row(replica, lost.device).closed is True
    assert story.replica.machine.get_closed_position(owner.device) is None


def sign(replica: Replica, ms: int, *items: FrontierItem) -> Checkpoint:
    """Return what a careless or dishonest sequencer would sign."""
    frontier = {item.device: item.position for item in items}
    time = OPENED_MS + ms
    root = replica.machine.stage_epoch(frontier, time)
    replica.machine.abort_epoch()
    return sign_checkpoint(
        MARKET,
        SEQUENCER.key,
        view=0,
        index=replica.chain.index + 1,
        previous=replica.chain.head,
        time=time,
        frontier=items,
        root=root,
    )


def get_item(writer: Writer, position: int) -> FrontierItem:
    return FrontierItem(writer.device, position, writer.feed.get_id(position))


def test_a_checkpoint_moves_no_closed_feed_whoever_holds_what_it_names(story: Story) -> None:
    newcomer = make_replica(SEQUENCER.device)
    admit(newcomer, [*story.pieces[:2], story.end])
    later = hold(story.replica, story.owner, 20, "mint", 1)
    bad = sign(story.replica, 21, get_item(story.lost, 4), get_item(story.owner, 2))
    assert story.replica.add_statement(bad) == "counts"
    admit(newcomer, [later])
    for statement in (*story.statements, bad):
        newcomer.add_statement(statement)
    assert newcomer.machine.epoch == story.replica.machine.epoch == 3
    assert describe(newcomer) == describe(story.replica)
    assert not newcomer.divergences


def test_a_careless_checkpoint_ends_the_feed_where_it_fixes_it() -> None:
    owner, lost = Writer(1), Writer(2)
    replica = make_replica(SEQUENCER.device)
    hold(replica, lost, 1, "mint", 1)
    hold(replica, owner, 2, "end", lost.device)
    hold(replica, lost, 3, "mint", 3)
    hold(replica, lost, 4, "mint", 4)
    careless = sign(replica, 5, get_item(owner, 1), get_item(lost, 2))
    replica.add_statement(careless)
    assert replica.feeds[lost.device].end == 2
    assert [o.verdict for o in replica.machine.get_settled()] == [APPLIED, APPLIED, ENDED]
    assert len(list(replica.get_void())) == 1
