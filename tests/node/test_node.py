"""A node writes what the contract would apply, durably, and says what became of it later."""

from collections.abc import Callable
from pathlib import Path

import pytest

from synaptic_crdt.errors import PolicyRefused, Refused, StoreDamaged, UsageError
from synaptic_crdt.node.audit import Claim, audit_market
from synaptic_crdt.node.commands import run_command
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.node import Market, Node
from synaptic_crdt.node.queries import run_query
from synaptic_crdt.state.heads import compute_short_form
from synaptic_crdt.sync.gate import KeepNothing
from tests.node.conftest import carry, damage_body

TASK = {
    "kind": "text.answer",
    "title": "Why?",
    "seats": [{"units": 2, "text": "Why is the sky blue?"}],
    "price": 50,
    "priority_seconds": 0,
}


def _post(node: Node, **changes: object) -> str:
    return run_command(node, "task.post", TASK | changes)["task"]


def _reopen(node: Node) -> Node:
    node.close()
    return Node.open(node.home, "")


def test_a_refused_operation_writes_nothing(founder: Node, join: Callable[..., Node]) -> None:
    ana = join("ana", grant=100)
    root, entries = ana.replica.root, ana.replica.entries
    with pytest.raises(Refused) as refused:
        run_command(ana, "wallet.send", {"to": founder.account.hex(), "amount": 150})
    assert refused.value.verdict == "BALANCE_TOO_LOW"
    assert "150" in refused.value.explanation
    assert "100" in refused.value.explanation
    assert (ana.replica.root, ana.replica.entries) == (root, entries)


def test_money_that_could_be_reversed_is_not_spent_unasked(
    founder: Node, join: Callable[..., Node]
) -> None:
    ana = join("ana", grant=100)
    wallet = run_query(ana, "wallet", {})
    assert (wallet["available"], wallet["pending_in"]) == (0, 100)
    send = {"to": founder.account.hex(), "amount": 60}
    with pytest.raises(PolicyRefused, match="--allow-pending"):
        run_command(ana, "wallet.send", send)
    run_command(ana, "wallet.send", send | {"allow_pending": True})
    run_command(founder, "checkpoint", {})
    carry(founder, ana)
    assert run_query(ana, "wallet", {})["available"] == 40


def test_a_dry_run_says_what_it_would_take_and_writes_nothing(founder: Node) -> None:
    before = founder.replica.entries
    told = run_command(founder, "task.post", TASK | {"dry_run": True})
    assert (told["dry_run"], told["locked"]) == (True, 100)
    assert founder.replica.entries == before


def test_what_was_acknowledged_is_there_after_opening_again(founder: Node) -> None:
    task = _post(founder)
    root = founder.replica.root
    again = _reopen(founder)
    assert again.replica.root == root
    assert run_query(again, "task.show", {"task": task[:8]})["escrow"] == 100
    wallet = run_query(again, "wallet", {})
    assert (wallet["available"], wallet["escrow"]) == (999_900, 100)


def test_an_earlier_acceptance_reverses_a_later_one_and_it_is_remembered(
    founder: Node, join: Callable[..., Node]
) -> None:
    ana, ben = join("ana"), join("ben")
    for node in (ana, ben):
        run_command(node, "consent", {"on": True})
    task = _post(founder)
    carry(founder, ana)
    carry(founder, ben)
    early = run_command(ben, "task.accept", {"task": task})["assignment"]
    late = run_command(ana, "task.accept", {"task": task})["assignment"]
    assert run_query(ana, "log", {"limit": 1})["entries"][0]["standing"] == "pending"
    carry(ana, founder)
    assert run_query(founder, "task.show", {"task": task})["assignments"][0]["assignment"] == late
    carry(ben, founder)
    shown = run_query(founder, "task.show", {"task": task})
    assert [item["assignment"] for item in shown["assignments"]] == [early]
    founder_again = _reopen(founder)
    told = {item["entry"]: item for item in run_query(founder_again, "log", {})["entries"]}
    assert told[late]["standing"] == "reversed"
    assert told[late]["verdict"] == "NO_FREE_SEAT"
    assert told[late]["reversed_by"] == early


def test_a_whole_task_is_paid_and_the_rest_returns(
    founder: Node, join: Callable[..., Node]
) -> None:
    ana = join("ana")
    run_command(ana, "consent", {"on": True})
    task = _post(founder)
    carry(founder, ana)
    run_command(ana, "task.accept", {"task": task, "ask": 40})
    carry(ana, founder)
    run_command(founder, "checkpoint", {})
    carry(founder, ana)
    run_command(ana, "task.start", {"assignment": task})
    run_command(ana, "task.deliver", {"assignment": task, "text": "Scattering."})
    carry(ana, founder)
    (result,) = run_query(founder, "task.result", {"task": task})["results"]
    assert (result["text"], result["standing"]) == ("Scattering.", "pending")
    run_command(founder, "task.approve", {"assignment": task})
    run_command(founder, "checkpoint", {})
    carry(founder, ana)
    assert run_query(ana, "wallet", {})["available"] == 80
    assert run_query(founder, "wallet", {})["available"] == 999_920
    assert ana.replica.root == founder.replica.root
    shown = run_query(ana, "task.show", {"task": task})
    assert (shown["status"], shown["final"], shown["escrow"]) == ("DONE", True, 0)
    assert shown["assignments"][0]["paid"] == 80


def test_only_the_sequencer_makes_checkpoints(join: Callable[..., Node]) -> None:
    with pytest.raises(UsageError, match="does not sign"):
        run_command(join("ana"), "checkpoint", {})


def test_an_entry_without_its_cause_waits_for_the_next_checkpoint(
    founder: Node, join: Callable[..., Node]
) -> None:
    ana, ben = join("ana", grant=500), join("ben")
    run_command(founder, "checkpoint", {})
    carry(founder, ana)
    carry(founder, ben)
    run_command(ben, "consent", {"on": True})
    task = _post(ana)
    carry(ana, ben)
    accepted = run_command(ben, "task.accept", {"task": task})["assignment"]
    # The founder hears of the acceptance before it hears of the task.
    carry_feed_of(ben, ben.key.public, founder)
    run_command(founder, "checkpoint", {})
    outcome = founder.replica.machine.get_outcome(bytes.fromhex(accepted))
    assert outcome is not None
    assert outcome.epoch == 0
    carry(ana, founder)
    run_command(founder, "checkpoint", {})
    outcome = founder.replica.machine.get_outcome(bytes.fromhex(accepted))
    assert outcome is not None
    assert (outcome.epoch, outcome.verdict) == (founder.replica.final_epoch, 0)


def carry_feed_of(source: Node, device: bytes, target: Node) -> None:
    first = target.replica.get_feed(device).position + 1
    piece = source.replica.get_feed(device).get_piece(first)
    assert piece is not None
    target.gate.admit_piece(piece)


def test_an_auditor_replays_to_the_same_root(founder: Node) -> None:
    _post(founder)
    market = Market(founder.market.genesis_bytes)
    gate = market.make_gate(KeepNothing())
    for feed in founder.replica.feeds.values():
        piece = feed.get_piece(1)
        assert piece is not None
        gate.admit_piece(piece)
    told = audit_market(market, (), Claim())
    assert told["verified"] == founder.replica.entries
    heads = founder.market.compute_heads()
    assert told["heads"] == compute_short_form(heads).hex()


def test_nothing_is_written_after_a_damaged_own_entry(founder: Node) -> None:
    _post(founder)
    founder.close()
    damage_body(founder.home, "DESC")
    damaged = Node.open(founder.home, "")
    try:
        (damage,) = run_query(damaged, "state", {})["damaged"]
        assert founder.key.public.hex() in damage
        assert "position 3" in damage
        with pytest.raises(StoreDamaged, match="position 3"):
            _post(damaged)
        with pytest.raises(Exception, match="damaged"):
            run_query(damaged, "audit", {})
    finally:
        damaged.close()


def test_no_checkpoint_is_signed_over_what_is_missing(
    founder: Node, join: Callable[..., Node]
) -> None:
    ana = join("ana")
    run_command(founder, "checkpoint", {})
    carry(founder, ana)
    # As a store that an older program wrote: a saved state would do without that body.
    founder.store.saved.clear()
    founder.close()
    damage_body(founder.home, "ASC")
    damaged = Node.open(founder.home, "")
    try:
        assert not damaged.is_whole
        with pytest.raises(StoreDamaged, match="checkpoint 1 includes entries that are not held"):
            run_command(damaged, "checkpoint", {})
        # Without its own first entry it is not even a member, and yet that is not what it is told.
        with pytest.raises(StoreDamaged, match="position 1"):
            run_command(damaged, "consent", {"on": True})
        carry(ana, damaged)
        assert damaged.is_whole
        assert run_command(damaged, "checkpoint", {})["final"]
    finally:
        damaged.close()


def test_prefixes_and_names_name_what_is_unique(founder: Node, join: Callable[..., Node]) -> None:
    ana = join("ana")
    told = run_query(founder, "wallet", {"account": "ana"})
    assert told["account"] == ana.account.hex()
    for wrong in ("", "zz", "nobody"):
        with pytest.raises(UsageError):
            run_query(founder, "wallet", {"account": wrong})


def test_unknown_names_and_arguments_are_usage_errors(founder: Node) -> None:
    with pytest.raises(UsageError, match="no query"):
        run_query(founder, "guess", {})
    with pytest.raises(UsageError, match="no command"):
        run_command(founder, "guess", {})
    with pytest.raises(UsageError, match="color"):
        run_command(founder, "consent", {"on": True, "color": "red"})


def test_a_home_of_another_path_is_no_market(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no market"):
        Node.open(Home(tmp_path / "nowhere"), "")
