"""Groups: who counts as one where scores and prices are made."""

from synaptic_crdt.rules.groups import get_group
from synaptic_crdt.rules.operations import AccountOpen
from tests.rules.conftest import EXCHANGE, Stage


def invite(stage: Stage, inviter: str, name: str) -> bytes:
    invitation = stage.make_invite(name)
    stage.did(inviter, invitation)
    stage.did(name, stage.ticket(invitation, inviter, name))
    return stage.key(name)


def test_whom_the_founder_invited_stands_alone(stage: Stage) -> None:
    founder, ana, bea = stage.key("founder"), stage.join("ana"), stage.join("bea")
    groups = [get_group(stage.market, account) for account in (founder, ana, bea)]
    assert groups == [founder, ana, bea]


def test_whom_another_invited_is_of_its_group_however_long_the_chain(stage: Stage) -> None:
    ana = stage.join("ana")
    inviter = "ana"
    for name in ("a1", "a2", "a3"):
        assert get_group(stage.market, invite(stage, inviter, name)) == ana
        inviter = name


def test_in_an_open_market_everybody_stands_alone() -> None:
    stage = Stage(openings_per_day=5)
    stage.did("ana", AccountOpen("ana", EXCHANGE, None, None, None))
    assert get_group(stage.market, stage.key("ana")) == stage.key("ana")
    invited = invite(stage, "ana", "bea")
    assert get_group(stage.market, invited) == invited
