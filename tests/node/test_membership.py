"""Who is let in at a link: members and whom they vouched for, and nobody else."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from synaptic_crdt.node.commands import run_command
from synaptic_crdt.node.founding import (
    found_market,
    join_account,
    join_market,
    request_device,
)
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.membership import MarketMembership
from synaptic_crdt.node.node import Node
from synaptic_crdt.state import limits
from synaptic_crdt.state.keys import DeviceKey, make_seed
from synaptic_crdt.sync.membership import Access, Opening, Refusal
from tests.node.conftest import carry

Join = Callable[..., Node]


def judge(here: Node, other: Node) -> Access | Refusal:
    """Return what one home thinks of another that shows what it has to show."""
    return here.membership.judge(other.key.public, other.membership.get_openings())


@pytest.fixture
def newcomer(founder: Node, tmp_path: Path) -> Node:
    """A home that joined with the founder's ticket and has met nobody."""
    return make_newcomer(founder, tmp_path / "newcomer")


def make_newcomer(inviter: Node, path: Path, role: str = "member") -> Node:
    ticket = run_command(inviter, "invite", {"role": role})["ticket"]
    join_market(Home(path), "", ticket, "new")
    return Node.open(Home(path), "")


def test_members_that_know_each_other_let_each_other_in(founder: Node, join: Join) -> None:
    member = join("mia")
    assert judge(founder, member) is judge(member, founder) is Access.MEMBER
    # Nothing needs to be shown for that.
    assert founder.membership.judge(member.key.public, ()) is Access.MEMBER


def test_a_newcomer_and_its_inviter_let_each_other_in(founder: Node, newcomer: Node) -> None:
    assert judge(founder, newcomer) is judge(newcomer, founder) is Access.MEMBER
    newcomer.close()


def test_two_newcomers_let_each_other_in(founder: Node, newcomer: Node, tmp_path: Path) -> None:
    other = make_newcomer(founder, tmp_path / "other")
    assert judge(newcomer, other) is judge(other, newcomer) is Access.MEMBER
    for node in (newcomer, other):
        node.close()


def test_members_far_apart_are_led_to_each_other_by_openings(
    founder: Node, join: Join, tmp_path: Path, newcomer: Node
) -> None:
    """A home that has not heard of anybody for long lets in who was invited by who was invited."""
    inviter = join("ina")
    late = make_newcomer(inviter, tmp_path / "late")
    for source in (inviter, founder):
        carry(source, late)
    assert [opening.device for opening in late.membership.get_openings()] == [
        late.key.public, inviter.key.public, founder.key.public,
    ]  # fmt: skip
    assert judge(newcomer, late) is judge(late, newcomer) is Access.MEMBER
    for node in (newcomer, late):
        node.close()


def test_a_newcomer_of_an_unknown_inviter_has_to_sync_with_it_first(
    founder: Node, tmp_path: Path, newcomer: Node
) -> None:
    carry(founder, newcomer)
    unknown = make_newcomer(newcomer, tmp_path / "unknown")
    assert judge(founder, unknown) is Refusal.STRANGER
    carry(newcomer, founder)
    assert judge(founder, unknown) is Access.MEMBER
    for node in (newcomer, unknown):
        node.close()


def test_strangers_are_not_let_in(founder: Node, newcomer: Node, tmp_path: Path) -> None:
    assert founder.membership.judge(make_device(), ()) is Refusal.STRANGER
    # What another device is vouched for with is of no use.
    shown = newcomer.membership.get_openings()
    assert founder.membership.judge(make_device(), shown) is Refusal.STRANGER
    renamed = [Opening(device := make_device(), shown[0].body)]
    assert founder.membership.judge(device, renamed) is Refusal.STRANGER
    # A home of another market, whose founder calls itself that.
    found_market(
        Home(tmp_path / "other"), "", name="Test", account_name="Fay",
        wall_ms=time.time_ns() // 1_000_000,
    )  # fmt: skip
    other = Node.open(Home(tmp_path / "other"), "")
    assert judge(founder, other) is Refusal.STRANGER
    for node in (newcomer, other):
        node.close()


def make_device() -> bytes:
    return DeviceKey(make_seed()).public


RUBBISH: Final = [b"\x00", b"\x82\x01\x81\x64note", b"\xff" * 30]


@pytest.mark.parametrize("body", RUBBISH, ids=bytes.hex)
def test_rubbish_is_not_let_in(founder: Node, body: bytes) -> None:
    device = make_device()
    assert founder.membership.judge(device, [Opening(device, body)]) is Refusal.STRANGER


def test_everybody_may_come_to_an_open_market(tmp_path: Path) -> None:
    homes = [Home(tmp_path / name) for name in ("founder", "member")]
    wall_ms = time.time_ns() // 1_000_000
    found_market(homes[0], "", name="Open", account_name="Fay", is_open=True, wall_ms=wall_ms)
    founder = Node.open(homes[0], "")
    ticket = run_command(founder, "invite", {})["ticket"]
    join_market(homes[1], "", ticket, "Mia")
    member = Node.open(homes[1], "")
    assert judge(founder, member) is judge(member, founder) is Access.MEMBER
    for node in (founder, member):
        node.close()


def test_an_auditor_is_a_reader(founder: Node, tmp_path: Path) -> None:
    auditor = make_newcomer(founder, tmp_path / "auditor", "auditor")
    assert judge(founder, auditor) is Access.READER
    carry(auditor, founder)
    assert judge(founder, auditor) is Access.READER
    assert judge(auditor, founder) is Access.MEMBER
    auditor.close()


@pytest.mark.parametrize("role", ["member", "auditor"])
def test_another_device_of_an_account_is_what_the_account_is(
    founder: Node, join: Join, tmp_path: Path, role: str
) -> None:
    first = join("mia", role=role)
    home = Home(tmp_path / "second")
    request = request_device(home, "")["request"]
    ticket = run_command(first, "device.add", {"request": request})["ticket"]
    join_account(home, "", ticket)
    second = Node.open(home, "")
    expected = Access.MEMBER if role == "member" else Access.READER
    assert judge(founder, second) is expected
    # Who knows neither of the two sees that the account may be an auditor's.
    stranger = make_newcomer(founder, tmp_path / "stranger")
    assert judge(stranger, second) is Refusal.STRANGER
    carry(first, second)
    assert judge(stranger, second) is expected
    for node in (second, stranger):
        node.close()


def test_a_revoked_device_is_let_in_no_more(founder: Node, join: Join, tmp_path: Path) -> None:
    first = join("mia")
    home = Home(tmp_path / "second")
    request = request_device(home, "")["request"]
    join_account(home, "", run_command(first, "device.add", {"request": request})["ticket"])
    second = Node.open(home, "")
    for source, target in ((first, founder), (second, founder)):
        carry(source, target)
    founder.make_checkpoint()
    carry(founder, first)
    run_command(first, "device.revoke", {"device": second.key.public.hex()})
    carry(first, founder)
    assert judge(founder, second) is Access.MEMBER
    founder.make_checkpoint()
    assert judge(founder, second) is Refusal.REVOKED
    second.close()


def test_a_long_line_of_inviters_is_shown_in_part(founder: Node, tmp_path: Path) -> None:
    nodes = [founder]
    for number in range(limits.OPENINGS + 1):
        nodes.append(make_newcomer(nodes[-1], tmp_path / f"line{number}"))
        for known in nodes[:-1]:
            carry(known, nodes[-1])
    last = nodes[-1]
    assert len(last.membership.get_openings()) == limits.OPENINGS
    assert judge(founder, last) is Refusal.STRANGER
    assert judge(nodes[1], last) is Access.MEMBER
    for node in nodes[1:]:
        node.close()


def test_a_home_without_a_feed_shows_nothing(founder: Node) -> None:
    market = founder.market
    nobody = MarketMembership(market.genesis, market.id, founder.replica, DeviceKey(make_seed()))
    assert nobody.get_openings() == []
