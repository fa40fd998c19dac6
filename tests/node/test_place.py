"""A home that may be a copy asks before it writes; a forked device is told what to do."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from synaptic_crdt.errors import ForkSeen, UsageError
from synaptic_crdt.node.commands import run_command
from synaptic_crdt.node.health import list_findings
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.place import Place, PlaceGuard, find_place
from synaptic_crdt.node.queries import run_query
from synaptic_crdt.rules.consents import make_consent
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.statements import encode_statement
from tests.forking import sign_fork

OWN, SEQUENCER, *OTHERS = (bytes([number]) * 32 for number in range(1, 6))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.make()
    home.store_path.write_bytes(b"store")
    return home


def move(home: Home) -> PlaceGuard:
    """Return the guard of a home whose note is of another place."""
    PlaceGuard(home, OWN)
    noted = json.loads(home.place_path.read_text())
    noted["place"]["directory"] = "/elsewhere"
    home.place_path.write_text(json.dumps(noted))
    return PlaceGuard(home, OWN)


def test_a_place_is_noted_once_there_is_a_market(home: Home) -> None:
    guard = PlaceGuard(home, OWN)
    assert not guard.is_moved
    guard.check(SEQUENCER, OTHERS)
    assert not PlaceGuard(home, OWN).is_moved
    assert find_place(home) == Place(
        find_place(home).host, str(home.path.resolve()), home.store_path.stat().st_ino
    )
    empty = Home(home.path / "empty")
    empty.make()
    PlaceGuard(empty, OWN)
    assert not empty.place_path.exists()


def test_the_sequencer_or_two_peers_let_a_moved_home_write(home: Home) -> None:
    guard = move(home)
    assert guard.is_moved
    with pytest.raises(UsageError, match="with 2 more"):
        guard.check(SEQUENCER, OTHERS)
    # Its own copy knows no more than it does, and one peer twice is one peer.
    for device in (OWN, OTHERS[0], OTHERS[0]):
        guard.note_peer(device)
    with pytest.raises(UsageError, match="with 1 more"):
        PlaceGuard(home, OWN).check(SEQUENCER, OTHERS)
    again = PlaceGuard(home, OWN)
    again.note_peer(OTHERS[1])
    again.check(SEQUENCER, OTHERS)
    assert not PlaceGuard(home, OWN).is_moved
    guard = move(home)
    guard.note_peer(SEQUENCER)
    guard.check(SEQUENCER, OTHERS)
    # Where it is known, nobody needs to be remembered.
    guard.note_peer(OTHERS[0])
    assert "met" not in json.loads(home.place_path.read_text()) or not guard.is_moved


@pytest.mark.parametrize("others", [0, 1])
def test_as_many_as_there_are_is_enough(home: Home, others: int) -> None:
    guard = move(home)
    for device in OTHERS[:others]:
        guard.note_peer(device)
    guard.check(None, OTHERS[:others])
    assert not guard.is_moved


def test_whom_it_met_elsewhere_does_not_count_here(home: Home) -> None:
    guard = move(home)
    guard.note_peer(SEQUENCER)
    noted = json.loads(home.place_path.read_text())
    noted["moved_to"]["host"] = "another"
    home.place_path.write_text(json.dumps(noted))
    with pytest.raises(UsageError, match="finished sync"):
        PlaceGuard(home, OWN).check(SEQUENCER, OTHERS)


def test_a_damaged_note_is_named(home: Home) -> None:
    home.place_path.write_text("{")
    with pytest.raises(UsageError, match=r"place\.json"):
        PlaceGuard(home, OWN)


def fork(founder: Node, key: DeviceKey, position: int) -> None:
    proof = sign_fork(founder.market.id, key, position)
    founder.gate.admit_statement(encode_statement(proof))


def test_a_forked_device_writes_nothing_until_it_is_settled(
    founder: Node, join: Callable[..., Node]
) -> None:
    ana = join("ana", grant=5)
    run_command(ana, "consent", {"on": True})
    position = ana.replica.get_feed(ana.key.public).position
    fork(ana, ana.key, position)
    with pytest.raises(ForkSeen, match=f"from position {position} on.*reissue"):
        ana.append(make_consent(None))
    assert "forked" in {finding.name for finding in list_findings(ana)}
    shown = run_query(ana, "log.void", {})
    assert [row["operation"] for row in shown["suspended"]] == ["consent"]
    assert run_query(ana, "state", {})["suspended"] == 1
    # The sequencer's own feed is settled by its own checkpoint.
    end = founder.replica.get_feed(founder.key.public).position + 1
    run_command(founder, "invite", {"grant": 0})
    fork(founder, founder.key, end)
    assert founder.is_checkpoint_due()
    with pytest.raises(ForkSeen):
        run_command(founder, "invite", {"grant": 0})
    founder.make_checkpoint()
    run_command(founder, "invite", {"grant": 0})
    assert run_query(founder, "state", {})["forks"][0]["settled"] is True


def test_a_moved_home_says_so(founder: Node, join: Callable[..., Node]) -> None:
    join("ana")
    noted = json.loads(founder.home.place_path.read_text())
    noted["place"]["host"] = "another"
    founder.home.place_path.write_text(json.dumps(noted))
    moved = Node(founder.home, founder.key, founder.store)
    assert not moved.is_in_place
    assert "moved" in {finding.name for finding in list_findings(moved)}
    with pytest.raises(UsageError, match="was last used on another"):
        moved.make_checkpoint()
