"""A witness's duty: what it cosigns, what it refuses, and what the node says about it."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from synaptic_crdt.errors import Forged, ForkSeen, MalformedInput, StoreDamaged, UsageError
from synaptic_crdt.node import handovers, witness
from synaptic_crdt.node.commands import run_command
from synaptic_crdt.node.founding import found_market, join_market, make_device
from synaptic_crdt.node.health import list_findings
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.queries import run_query
from synaptic_crdt.node.sequencer import run_sequencer
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.loading import Damage
from synaptic_crdt.state.statements import (
    Checkpoint,
    FrontierItem,
    cosign_checkpoint,
    encode_statement,
    make_proposal,
    sign_checkpoint,
    sign_cosignature,
    sign_handover,
)
from synaptic_crdt.sync.messages import Message
from synaptic_crdt.sync.transports.bundle_format import StatementRecord
from tests.node.conftest import carry
from tests.node.test_saved import begin, rewrite

HOUR_MS = 3_600_000


class Cast:
    """The sequencer and three witnesses of one market, each with an open home."""

    def __init__(self, folder: Path) -> None:
        names = ("ana", "ben", "cem")
        homes = {name: Home(folder / name) for name in names}
        devices = [make_device(home, "")["device"] for home in homes.values()]
        told = found_market(
            Home(folder / "rita"),
            "",
            name="Test",
            account_name="Rita",
            witnesses=devices,
            wall_ms=time.time_ns() // 1_000_000 - 100,
        )
        self.recovery = bytes.fromhex(told["recovery_key"])
        self.rita = Node.open(Home(folder / "rita"), "")
        tickets = [run_command(self.rita, "invite", {})["ticket"] for _ in names]
        for home, ticket in zip(homes.values(), tickets, strict=True):
            join_market(home, "", ticket, home.path.name)
        self.ana, self.ben, self.cem = (Node.open(home, "") for home in homes.values())
        self.all = (self.rita, self.ana, self.ben, self.cem)
        for node in self.all[1:]:
            carry(self.rita, node)
            carry(node, self.rita)

    def share(self) -> None:
        for _ in range(2):
            for source in self.all:
                for target in self.all:
                    if source is not target:
                        carry_all(source, target)

    def count(self) -> None:
        """Make a checkpoint that ana and ben cosign."""
        if self.rita.may_close:
            self.rita.make_checkpoint()
        self.share()
        for node in (self.ana, self.ben):
            assert witness.cosign(node).kind == "cosigns"
        self.share()

    def forge(self, **changes: Any) -> Checkpoint:  # noqa: ANN401 - any of the fields
        """Sign what a lying sequencer would, and give it to ana; else it is as it should be."""
        chain, node = self.ana.replica.chain, self.ana
        frontier = [
            FrontierItem(device, feed.position, feed.head)
            for device, feed in node.replica.feeds.items()
            if feed.position > chain.get_fixed_position(device)
        ]
        fields: dict[str, Any] = {
            "view": chain.view.number,
            "index": chain.index + 1,
            "previous": chain.head,
            "time": node.get_wall_ms(),
            "frontier": frontier,
            "root": bytes(32),
        } | changes
        made = sign_checkpoint(node.market.id, self.rita.key, **fields)
        if "root" not in changes:
            examination = node.replica.examine(made)
            assert examination is not None
            fields["root"] = examination.root
            made = sign_checkpoint(node.market.id, self.rita.key, **fields)
        node.gate.admit_statement(encode_statement(made))
        return made


def carry_all(source: Node, target: Node) -> None:
    """Bring entries, and all statements whether they count or not."""
    carry(source, target)
    target.gate.admit_statements(list(source.replica.get_statements()))


@pytest.fixture
def cast(tmp_path: Path) -> Iterator[Cast]:
    made = Cast(tmp_path)
    yield made
    for node in made.all:
        node.close()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[Node, int], None]:
    """Set a node's clock ahead."""

    def set_ahead(node: Node, ms: int) -> None:
        monkeypatch.setattr(node, "get_wall_ms", lambda: time.time_ns() // 1_000_000 + ms)

    return set_ahead


def get_names(node: Node) -> list[str]:
    return [finding.name for finding in list_findings(node)]


def test_two_of_three_make_it_count(cast: Cast) -> None:
    cast.count()
    assert [node.replica.final_epoch for node in cast.all] == [1, 1, 1, 1]
    assert {node.replica.root for node in cast.all} == {cast.rita.replica.root}
    # What was cosigned is durable: an opened home says so, and signs nothing beside it.
    cast.ana.close()
    opened = Node.open(cast.ana.home, "")
    assert opened.key.public in opened.replica.chain.cosignatures.get_signers(
        opened.replica.chain.get(1)  # type: ignore[arg-type]
    )
    opened.close()


def test_one_of_each_index_is_cosigned(cast: Cast) -> None:
    first = cast.forge()
    assert witness.cosign(cast.ana).kind == "cosigns"
    cast.forge(time=first.time + 1)
    word = witness.cosign(cast.ana)
    assert (word.kind, word.checkpoint) == ("cosigned", first)
    assert cast.ana.replica.is_halted
    assert "halted" in get_names(cast.ana)
    # Who saw both before it signed either signs none.
    cast.ben.gate.admit_statements(list(cast.ana.replica.get_statements()))
    word = witness.cosign(cast.ben)
    assert word.kind == "refuses"
    assert "signed two of this index" in word.reason


def test_who_is_no_witness_cosigns_nothing(cast: Cast) -> None:
    with pytest.raises(UsageError, match="no witness"):
        witness.cosign(cast.rita)


def test_entries_that_are_not_held_are_waited_for(cast: Cast) -> None:
    run_command(cast.rita, "consent", {"on": True})
    cast.share()
    cast.count()
    run_command(cast.rita, "wallet.send", {"to": "ana", "amount": 3})
    made = cast.rita.make_checkpoint()
    cast.ana.gate.admit_statement(encode_statement(made))
    word = witness.cosign(cast.ana)
    assert (word.kind, word.checkpoint) == ("waits", made)
    assert "cosigning-refused" in get_names(cast.ana)
    carry(cast.rita, cast.ana)
    assert witness.cosign(cast.ana).kind == "cosigns"


def test_a_wrong_root_is_refused(cast: Cast) -> None:
    cast.forge(root=bytes(32))
    word = witness.cosign(cast.ana)
    assert word.kind == "refuses"
    assert "claims root 000000000000, recomputed it is" in word.reason


def test_a_time_ahead_is_refused(cast: Cast) -> None:
    cast.forge(time=cast.ana.get_wall_ms() + 61_000)
    word = witness.cosign(cast.ana)
    assert word.kind == "refuses"
    assert "ms ahead of this clock" in word.reason
    [finding] = [each for each in list_findings(cast.ana) if each.name == "cosigning-refused"]
    # The clock has gone on between the two.
    assert word.reason.partition(" ms ahead")[2] in finding.explanation
    assert "ms ahead of this clock" in finding.explanation


def test_a_time_a_little_ahead_is_cosigned(cast: Cast) -> None:
    cast.forge(time=cast.ana.get_wall_ms() + 55_000)
    assert witness.cosign(cast.ana).kind == "cosigns"


def test_an_old_one_is_cosigned_late(cast: Cast, later: Callable[[Node, int], None]) -> None:
    cast.forge()
    later(cast.ana, HOUR_MS)
    assert witness.cosign(cast.ana).kind == "cosigns"


def test_a_back_dated_one_is_refused(cast: Cast, later: Callable[[Node, int], None]) -> None:
    later(cast.ana, HOUR_MS)
    run_command(cast.ana, "consent", {"on": True})
    cast.forge(time=time.time_ns() // 1_000_000)
    word = witness.cosign(cast.ana)
    assert word.kind == "refuses"
    assert "is back-dated" in word.reason


def test_what_leaves_out_long_held_entries_is_refused(
    cast: Cast, later: Callable[[Node, int], None]
) -> None:
    cast.count()
    run_command(cast.ana, "consent", {"on": True})
    assert witness.cosign(cast.ana).kind == "idle"  # since then it is known to wait
    later(cast.ana, 50_000)
    early = cast.forge(frontier=[])
    assert witness.examine(cast.ana).kind == "cosigns"
    assert early.index == 2
    cast.ben.gate.admit_statements([encode_statement(early)])
    later(cast.ana, 70_000)
    # Held for a minute now, but not when that one was made.
    assert witness.examine(cast.ana).kind == "cosigns"


def test_what_leaves_out_entries_held_for_a_minute_is_refused(
    cast: Cast, later: Callable[[Node, int], None]
) -> None:
    cast.count()
    run_command(cast.ana, "consent", {"on": True})
    witness.cosign(cast.ana)
    later(cast.ana, 70_000)
    cast.forge(frontier=[])
    word = witness.cosign(cast.ana)
    assert word.kind == "refuses"
    assert "leaves out entry" in word.reason


def test_entries_whose_cause_is_missing_may_be_left_out(
    cast: Cast, later: Callable[[Node, int], None]
) -> None:
    cast.count()
    cast.count()
    # Somebody whose invitation has not come.
    invited = run_command(cast.rita, "invite", {"role": "auditor"})
    folder = cast.rita.home.path.parent / "dan"
    join_market(Home(folder), "", invited["ticket"], "dan")
    dan = Node.open(Home(folder), "")
    piece = dan.replica.get_feed(dan.key.public).get_piece(1)
    assert piece is not None
    cast.ana.gate.admit_piece(piece)
    dan.close()
    witness.cosign(cast.ana)
    later(cast.ana, 70_000)
    cast.forge(frontier=[])
    assert witness.cosign(cast.ana).kind == "cosigns"


def test_who_gave_its_word_for_the_next_view_cosigns_nothing_more(cast: Cast) -> None:
    cast.count()
    handovers.propose(cast.ana, cast.ben.key.public, None)
    run_command(cast.rita, "consent", {"on": True})
    cast.share()
    cast.rita.make_checkpoint()
    cast.share()
    word = witness.cosign(cast.ana)
    assert word.kind == "refuses"
    assert "gave its word for a later view" in word.reason


def test_a_store_that_lost_statements_signs_none(cast: Cast) -> None:
    cast.share()
    damage = (Damage("statement", b"", 1, "altered"),)
    object.__setattr__(cast.ana, "damages", damage)
    assert "has lost statements" in witness.cosign(cast.ana).reason
    for node in (cast.ben, cast.cem):
        witness.cosign(node)
    cast.share()
    assert cast.rita.may_close
    object.__setattr__(cast.rita, "damages", damage)
    assert not cast.rita.may_close
    with pytest.raises(StoreDamaged, match="no checkpoint is signed"):
        cast.rita.make_checkpoint()


# -- handovers -------------------------------------------------------------------------------


def test_a_majority_hands_over_and_the_new_one_sequences(cast: Cast) -> None:
    cast.count()
    proposal = handovers.propose(cast.ana, cast.ben.key.public, None)
    cast.share()
    assert handovers.sign(cast.ben, proposal.id.hex()[:6]) == proposal
    cast.share()
    assert [node.is_sequencer for node in cast.all] == [False, False, True, False]
    run_command(cast.rita, "consent", {"on": True})
    cast.share()
    made = cast.ben.make_checkpoint()
    assert made.view == 1
    cast.share()
    for node in (cast.ana, cast.cem):
        assert witness.cosign(node).kind == "cosigns"
    cast.share()
    assert {node.replica.final_epoch for node in cast.all} == {2}


def test_a_handover_goes_on_from_what_was_cosigned_ahead(cast: Cast) -> None:
    cast.count()
    run_command(cast.rita, "consent", {"on": True})
    cast.share()
    made = cast.rita.make_checkpoint()
    carry_all(cast.rita, cast.ana)
    assert witness.cosign(cast.ana).kind == "cosigns"
    proposal = handovers.propose(cast.ana, cast.cem.key.public, [cast.ben.key.public])
    assert (proposal.index, proposal.origin) == (2, made.id)
    # Who does not hold that checkpoint cannot judge it.
    words = cast.ana.replica.chain.views.get_handovers()
    cast.cem.gate.admit_statements([encode_statement(each) for each in words])
    with pytest.raises(UsageError, match="is not held here"):
        handovers.sign(cast.cem, None)
    cast.share()
    # Another one chooses what any witness cosigned, even if it did not itself.
    assert handovers._choose_origin(cast.ben, has_entries=True) == (2, made.id)
    handovers.sign(cast.cem, None)
    cast.share()
    assert {node.replica.chain.view.number for node in cast.all} == {1}
    assert {node.replica.final_epoch for node in cast.all} == {2}


def test_no_word_is_given_for_what_would_undo(cast: Cast) -> None:
    cast.count()
    origin = cast.cem.replica.chain.head
    run_command(cast.rita, "consent", {"on": True})
    proposal = handovers.propose(cast.cem, cast.cem.key.public, None)
    assert proposal.origin == origin
    cast.rita.make_checkpoint()
    for node in (cast.ana, cast.ben):
        carry_all(cast.rita, node)
        witness.cosign(node)
        carry_all(node, cast.rita)
        carry_all(node, cast.ben)
    carry_all(cast.cem, cast.ben)
    with pytest.raises(UsageError, match="knows 2 to count or cosigned it"):
        handovers.sign(cast.ben, None)


def test_a_rival_of_what_counts_is_for_the_recovery_key_alone(cast: Cast) -> None:
    rival = cast.forge()
    carry_all(cast.ana, cast.cem)
    word = sign_cosignature(cast.ana.market.id, cast.cem.key, view=0, index=1, checkpoint=rival.id)
    cast.cem.gate.admit_statement(encode_statement(word))
    handovers.propose(cast.cem, cast.cem.key.public, None)
    made = cast.rita.replica.chain.get_candidates()[0]
    for node in (cast.ana, cast.ben):
        node.gate.admit_statement(encode_statement(made))
        word = sign_cosignature(cast.ana.market.id, node.key, view=0, index=1, checkpoint=made.id)
        for other in (cast.ana, cast.ben):
            other.gate.admit_statement(encode_statement(word))
    carry_all(cast.cem, cast.ben)
    assert cast.ben.replica.chain.head == made.id
    with pytest.raises(UsageError, match="only the recovery key can undo that"):
        handovers.sign(cast.ben, None)
    assert "sequencer-lied" in get_names(cast.ben)
    # Which may name it.
    told = run_command(
        cast.ben,
        "handover",
        {
            "recovery_key": cast.recovery.hex(),
            "sequencer": cast.ben.key.public.hex(),
            "witnesses": [cast.ben.key.public.hex()],
            "origin": rival.id.hex()[:8],
        },
    )
    assert told["begun"]
    assert cast.ben.replica.chain.head == rival.id
    assert "handover-awaited" not in get_names(cast.ben)


def test_a_handover_whose_checkpoint_is_missing_is_waited_for(cast: Cast) -> None:
    cast.count()
    run_command(cast.rita, "consent", {"on": True})
    cast.rita.make_checkpoint()
    carry_all(cast.rita, cast.ana)
    witness.cosign(cast.ana)
    handovers.recover(cast.ana, cast.recovery, cast.ana.key.public, None, None)
    words = cast.ana.replica.chain.views.get_handovers()
    cast.cem.gate.admit_statements([encode_statement(each) for each in words])
    assert "handover-awaited" in get_names(cast.cem)
    assert not cast.cem.may_close
    with pytest.raises(UsageError, match="is begun already"):
        handovers.propose(cast.cem, cast.cem.key.public, None)
    handovers_before = cast.cem.replica.chain.views.get_handovers()
    object.__setattr__(cast.cem, "key", cast.ana.key)
    with pytest.raises(UsageError, match="goes on from checkpoint 2, which is not held here"):
        cast.cem.make_checkpoint()
    assert cast.cem.replica.chain.views.get_handovers() == handovers_before


def test_nothing_is_cosigned_twice_where_the_recovery_key_replaced_a_view(cast: Cast) -> None:
    cast.count()
    handovers.propose(cast.ana, cast.cem.key.public, None)
    carry_all(cast.ana, cast.ben)
    handovers.sign(cast.ben, None)
    for node in (cast.ana, cast.cem):
        carry_all(cast.ben, node)
    run_command(cast.cem, "consent", {"on": True})
    cast.cem.make_checkpoint()
    for node in (cast.ana, cast.ben):
        carry_all(cast.cem, node)
        assert witness.cosign(node).kind == "cosigns"
        carry_all(node, cast.cem)
    assert cast.cem.replica.final_epoch == 2
    # Rita has heard nothing of it, and uses the recovery key.
    handovers.recover(cast.rita, cast.recovery, cast.rita.key.public, None, None)
    run_command(cast.rita, "consent", {"on": True})
    made = cast.rita.make_checkpoint()
    assert (made.view, made.index) == (1, 2)
    folder = cast.ben.home
    cast.ben.close()
    cast.ben = Node.open(folder, "")
    for node in (cast.ana, cast.ben):
        carry_all(cast.rita, node)
        word = witness.cosign(node)
        assert (word.kind, word.checkpoint) == ("refuses", made)
        assert "hand over once more" in word.reason
        assert node.replica.chain.cosignatures.liars == []
    # Who cosigned nothing there may; the next handover frees all of them.
    carry_all(cast.rita, cast.cem)
    assert witness.cosign(cast.cem).kind == "cosigns"
    handovers.recover(cast.rita, cast.recovery, cast.rita.key.public, None, None)
    again = cast.rita.make_checkpoint()
    assert (again.view, again.index) == (2, 2)
    for node in (cast.ana, cast.ben):
        carry_all(cast.rita, node)
        assert witness.cosign(node).kind == "cosigns"
    cast.all = (cast.rita, cast.ana, cast.ben, cast.cem)


def test_a_home_begins_at_no_checkpoint_below_the_quorum(cast: Cast, tmp_path: Path) -> None:
    cast.count()
    path = tmp_path / "state.bundle"
    run_query(cast.rita, "bundle.state", {"path": str(path)})
    begin(cast.rita, path, "dan")

    def drop_cosignature(frames: list[Message]) -> list[Message]:
        cosigned = [
            index
            for index, frame in enumerate(frames)
            if isinstance(frame, StatementRecord) and b"cosignature" in frame.statement
        ]
        assert len(cosigned) == 2
        return frames[: cosigned[0]] + frames[cosigned[0] + 1 :]

    rewrite(path, drop_cosignature)
    with pytest.raises((Forged, MalformedInput), match="checkpoint"):
        begin(cast.rita, path, "eve")
    assert not (cast.rita.home.path.parent / "eve" / "market.db").exists()


# -- what the node says ----------------------------------------------------------------------


def test_all_that_can_be_the_matter_is_said(cast: Cast, later: Callable[[Node, int], None]) -> None:
    assert get_names(cast.rita) == ["cosignatures-awaited"]
    cast.count()
    assert get_names(cast.rita) == []
    run_command(cast.ana, "consent", {"on": True})
    later(cast.ana, HOUR_MS)
    assert get_names(cast.ana) == ["sequencer-silent"]
    cast.ana.skews["tcp://peer"] = 61_000
    cast.ana.skews["tcp://other"] = -59_000
    assert get_names(cast.ana) == ["sequencer-silent", "clock-off"]
    later(cast.ana, -HOUR_MS)
    assert "market-time-ahead" in get_names(cast.ana)
    handovers.propose(cast.ben, cast.ben.key.public, None)
    assert get_names(cast.ben) == ["handover-proposed"]
    object.__setattr__(cast.cem, "damages", (Damage("entry", bytes(32), 3, "altered"),))
    assert get_names(cast.cem) == ["damaged"]
    told = run_query(cast.cem, "doctor", {})
    assert told["duties"] == ["witness"]
    assert told["key"] == "readable by this user alone"
    assert told["findings"][0]["name"] == "damaged"


def test_a_divergence_and_missing_entries_are_said(cast: Cast) -> None:
    wrong = cast.forge(root=bytes(32))
    for key in (cast.ana.key, cast.ben.key):
        word = cosign_checkpoint(cast.ana.market.id, key, wrong)
        cast.ana.gate.admit_statement(encode_statement(word))
    assert "diverged" in get_names(cast.ana)
    assert run_query(cast.ana, "state", {})["final"] == 0
    [finding] = [each for each in list_findings(cast.ana) if each.name == "diverged"]
    assert "nothing after it is final here" in finding.explanation
    right = cast.forge(frontier=[])
    for key in (cast.ana.key, cast.ben.key):
        word = cosign_checkpoint(cast.ana.market.id, key, right)
        cast.ana.gate.admit_statement(encode_statement(word))
    [finding] = [each for each in list_findings(cast.ana) if each.name == "diverged"]
    assert "a later root agrees again" in finding.explanation
    state = run_query(cast.ana, "state", {})
    assert (state["final"], state["final_epoch"]) == (state["entries"] - state["pending"], 2)
    run_command(cast.rita, "consent", {"on": True})
    other = Node.open(make_empty(cast), "")
    other.gate.admit_statements(list(cast.ana.replica.get_statements()))
    assert "entries-missing" in get_names(other)
    other.close()


def test_the_recovery_key_goes_back_before_what_nobody_has(cast: Cast) -> None:
    cast.count()
    before = cast.ana.replica.chain.head
    run_command(cast.ana, "consent", {"on": True})
    root, device = cast.ana.replica.root, cast.ana.key.public
    end = cast.ana.replica.get_feed(device).position
    for _ in range(2):
        made_up = [FrontierItem(device, end, bytes(32))]
        lie = cast.forge(frontier=made_up, root=bytes(32))
        for key in (cast.ben.key, cast.cem.key):
            word = cosign_checkpoint(cast.ana.market.id, key, lie)
            cast.ana.gate.admit_statement(encode_statement(word))
        end += 1
    assert cast.ana.replica.chain.index == 3
    # What its writer has sealed is held, and does not count.
    assert cast.ana.replica.get_feed(device).position == end - 2
    assert cast.ana.replica.root != root
    with pytest.raises(ForkSeen):
        run_command(cast.ana, "consent", {"on": False})
    [finding] = [each for each in list_findings(cast.ana) if each.name == "entries-missing"]
    assert f"handover --from {before.hex()[:12]}" in finding.advice
    run_command(
        cast.ana,
        "handover",
        {
            "recovery_key": cast.recovery.hex(),
            "sequencer": device.hex(),
            "witnesses": [device.hex()],
            "origin": before.hex()[:12],
        },
    )
    assert cast.ana.replica.chain.head == before
    assert cast.ana.replica.root == root
    run_command(cast.ana, "consent", {"on": False})


def test_no_handover_goes_on_from_what_names_entries_that_are_not_here(cast: Cast) -> None:
    cast.count()
    head, device = cast.ana.replica.chain.head, cast.ana.key.public
    end = cast.ana.replica.get_feed(device).position
    lie = cast.forge(frontier=[FrontierItem(device, end + 1, bytes(32))], root=bytes(32))
    word = cosign_checkpoint(cast.ana.market.id, cast.cem.key, lie)
    cast.share()
    cast.ana.gate.admit_statement(encode_statement(word))
    cast.share()
    # The owner of the recovery key is told, and names what to go on from.
    hand_over = {
        "recovery_key": cast.recovery.hex(),
        "sequencer": device.hex(),
        "witnesses": [device.hex()],
    }
    with pytest.raises(UsageError, match="names entries that are not held here") as refusal:
        run_command(cast.ana, "handover", hand_over)
    assert f"--from {head.hex()[:12]}" in str(refusal.value)
    # Witnesses agree on what came before it, and give their word for nothing else.
    proposal = handovers.propose(cast.ana, device, None)
    assert (proposal.index, proposal.origin) == (lie.index - 1, head)
    chain = cast.ben.replica.chain
    bad = make_proposal(
        cast.ben.market.id,
        view=chain.view.number + 1,
        index=lie.index,
        origin=lie.id,
        sequencer=cast.cem.key.public,
        witnesses=chain.view.witnesses,
    )
    of_cem = sign_handover(
        cast.ben.market.id, cast.cem.key, bad, newest_index=lie.index, newest=lie.id
    )
    cast.ben.gate.admit_statement(encode_statement(of_cem))
    with pytest.raises(UsageError, match="names entries that are not held here"):
        handovers.sign(cast.ben, bad.id.hex())
    run_command(cast.ana, "handover", hand_over | {"origin": head.hex()[:12]})
    assert cast.ana.replica.chain.head == head
    assert cast.ana.may_close


def make_empty(cast: Cast) -> Home:
    home = Home(cast.rita.home.path.parent / "eve")
    join_market(home, "", run_command(cast.rita, "invite", {})["ticket"], "eve")
    return home


def test_a_witness_that_signed_two_is_named_to_all_and_to_itself(cast: Cast) -> None:
    one = cast.forge()
    two = cast.forge(time=one.time + 1)
    for checkpoint in (one, two):
        word = sign_cosignature(
            cast.ana.market.id, cast.ana.key, view=0, index=1, checkpoint=checkpoint.id
        )
        cast.ana.gate.admit_statement(encode_statement(word))
    findings = {each.name: each.explanation for each in list_findings(cast.ana)}
    assert findings["witness-lied"].startswith("this device cosigned two")
    carry_all(cast.ana, cast.ben)
    findings = {each.name: each.explanation for each in list_findings(cast.ben)}
    assert findings["witness-lied"].startswith(f"witness {cast.ana.key.public.hex()[:12]}")


def test_a_lost_recovery_key_is_not_accepted_by_guess(cast: Cast) -> None:
    with pytest.raises(UsageError, match="not the recovery key"):
        handovers.recover(cast.ana, DeviceKey(bytes(32)).seed, cast.ana.key.public, None, None)


async def cosign_by_themselves(cast: Cast) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_sequencer, cast.rita)
        for node in (cast.ana, cast.ben, cast.rita):
            nursery.start_soon(witness.run_witness, node)
        while cast.rita.replica.final_epoch < 2:
            await trio.sleep(1)
            cast.share()
        nursery.cancel_scope.cancel()


def test_nodes_do_their_duty_by_themselves(cast: Cast) -> None:
    cast.share()
    clock = trio.testing.MockClock(autojump_threshold=0)
    run_command(cast.rita, "consent", {"on": True})
    trio.run(cosign_by_themselves, cast, clock=clock)
    assert cast.rita.replica.final_epoch == 2
