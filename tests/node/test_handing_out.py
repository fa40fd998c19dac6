"""Keys that go along with a posting: who can read, who waits, and what a wrong one does."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from synaptic_crdt.errors import PolicyRefused, UsageError
from synaptic_crdt.exec.payloads import ContentKey
from synaptic_crdt.node.commands import run_command
from synaptic_crdt.node.contents import explain_keys
from synaptic_crdt.node.desk import NodeDesk
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.queries import run_query
from synaptic_crdt.node.sealing import Draft, choose_readers, prepare_shards
from synaptic_crdt.rules.limits import KEYS
from synaptic_crdt.rules.operations import parse_operation
from synaptic_crdt.rules.task_operations import TaskPost
from synaptic_crdt.state.codec import encode
from synaptic_crdt.state.limits import BODY_BYTES
from tests.node.conftest import carry
from tests.node.test_contents import post, read, settle

Join = Callable[..., Node]
NEWS = b"secret of Fay"


@pytest.fixture
def paul(founder: Node, join: Join) -> Node:
    node = join("Paul")
    run_command(node, "consent", {"on": True})
    settle(founder, node)
    return node


def test_all_of_the_list_read_it_and_nobody_is_waited_for(
    founder: Node, paul: Node, join: Join
) -> None:
    pia, zoe = join("Pia"), join("Zoe")
    task = post(founder, NEWS, only=["Paul", "Pia"], reveal_now=True)
    for node in (paul, pia, zoe):
        carry(founder, node)
    assert [read(node, task)["reach"] for node in (paul, pia, zoe)] == ["open", "open", "sealed"]
    arguments = {"task": task, "allow_pending": True}
    assignment = run_command(paul, "task.accept", arguments)["assignment"]
    settle(founder, paul)
    run_command(paul, "task.start", {"assignment": assignment})
    assert run_query(paul, "task.show", {"task": task})["shards"][0]["state"] == "STARTED"


def test_without_being_told_a_list_hands_out_nothing(founder: Node, paul: Node) -> None:
    task = post(founder, NEWS, only=["Paul"])
    carry(founder, paul)
    assert read(paul, task)["reach"] == "sealed"


@pytest.mark.parametrize(("private", "only"), [(False, ["Paul"]), (True, [])])
def test_keys_are_handed_out_of_private_tasks_to_lists(
    founder: Node, paul: Node, only: list[str], *, private: bool
) -> None:
    assert paul
    with pytest.raises(UsageError, match="--only"):
        post(founder, NEWS, private=private, only=only, reveal_now=True)


def test_a_wrong_key_is_found_out_before_it_binds(founder: Node, paul: Node) -> None:
    outcome = founder.replica.machine.get_outcome(
        bytes.fromhex(post(founder, NEWS, only=["Paul"], reveal_now=True))
    )
    assert outcome is not None
    good = parse_operation(outcome.entry.operation)
    assert isinstance(good, TaskPost)
    wrong = ContentKey.make().seal({paul.key.public: paul.key.get_exchange_public()})
    bad = founder.append(replace(good, seats=(replace(good.seats[0], keys=wrong),))).entry.id
    carry(founder, paul)
    with pytest.raises(PolicyRefused, match="seat 0 is not the right one"):
        run_command(paul, "task.accept", {"task": bad.hex(), "allow_pending": True})
    desk = NodeDesk(paul)
    assert "not the right one" in desk.explain_keys(bad)
    assert desk.explain_keys(outcome.entry.id) == ""
    desk.close()


def test_a_device_that_was_handed_nothing_does_not_accept(
    founder: Node, paul: Node, add: Callable[..., Node]
) -> None:
    task = post(founder, NEWS, only=["Paul"], reveal_now=True)
    carry(founder, paul)
    laptop = add(paul, "laptop")
    carry(laptop, founder)
    with pytest.raises(PolicyRefused, match="other devices of this account"):
        run_command(laptop, "task.accept", {"task": task, "allow_pending": True})
    # What is posted from now on is for both.
    later = bytes.fromhex(post(founder, NEWS, only=["Paul"], reveal_now=True))
    carry(founder, laptop)
    assert explain_keys(laptop, later) == ""


def test_who_has_no_place_in_the_posting_is_told_apart(
    founder: Node, paul: Node, add: Callable[..., Node]
) -> None:
    """Boxes are bounded; whole accounts or none, so that no device of one is left out."""
    everybody = [founder.account, paul.account]
    # So many shards have room for two boxes each.
    assert choose_readers(founder, everybody, 64).accounts == (founder.account, paul.account)
    carry(add(paul, "laptop"), founder)
    assert choose_readers(founder, everybody, 1).accounts == (founder.account, paul.account)
    narrow = choose_readers(founder, everybody, 64)
    assert (narrow.accounts, list(narrow.exchanges)) == ((founder.account,), [founder.key.public])


def test_a_posting_full_of_boxes_and_payloads_still_fits(founder: Node) -> None:
    for shards in (1, 2, 16, 64):
        room = min(KEYS, 140 // shards)
        readers = {bytes((0, number)) * 16: bytes((9,)) * 32 for number in range(room)}
        drafts = [(1, Draft("text/plain", bytes(3_000)))] * shards
        prepared = prepare_shards(founder, drafts, is_private=True, readers=readers)
        fields: list[Any] = [
            [shard.units, [*_list(shard.payload)], shard.commitment, [*map(_list, shard.keys)]]
            for shard in prepared.shards
        ]
        # All else that a posting can hold: texts, and four lists of accounts.
        assert len(encode(fields)) + 6_000 <= BODY_BYTES, shards
        assert {len(shard.keys) for shard in prepared.shards} == {room}


def _list(struct: Any) -> list[Any]:  # noqa: ANN401 - any struct of an operation
    return [getattr(struct, field) for field in struct.__struct_fields__]
