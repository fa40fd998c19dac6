import pytest
from msgspec.structs import replace

from synaptic_crdt.errors import Forged, MalformedInput
from synaptic_crdt.rules.consents import make_consent
from synaptic_crdt.rules.membership import get_issuer
from synaptic_crdt.rules.operations import (
    AccountOpen,
    DeviceJoin,
    Operation,
    encode_operation,
)
from tests.rules.conftest import EXCHANGE, Stage

PLAIN = AccountOpen("ana", EXCHANGE, None, None, None)


def ask(stage: Stage, name: str, operation: Operation) -> bytes | None:
    return get_issuer(stage.genesis, stage.market_id, stage.key(name), encode_operation(operation))


def test_founder_needs_nobody(stage: Stage) -> None:
    assert ask(stage, "founder", PLAIN) is None


def test_anybody_may_come_to_an_open_market(stage: Stage) -> None:
    assert ask(Stage(openings_per_day=1), "ana", PLAIN) is None
    with pytest.raises(Forged, match="by invitation only"):
        ask(stage, "ana", PLAIN)


def test_certificate_names_the_issuer_whatever_became_of_the_invitation(stage: Stage) -> None:
    ticket = stage.ticket(stage.make_invite("ana"), "founder", "ana")
    assert ask(stage, "ana", ticket) == stage.key("founder")


def test_forged_certificate_and_stolen_ticket(stage: Stage) -> None:
    ticket = stage.ticket(stage.make_invite("ana"), "founder", "ana")
    with pytest.raises(Forged, match="one-time key"):
        ask(stage, "eve", ticket)
    assert ticket.certificate is not None
    richer = replace(ticket, certificate=replace(ticket.certificate, grant=10**6))
    with pytest.raises(Forged, match="not signed by its inviter"):
        ask(stage, "ana", richer)
    elsewhere = Stage(openings_per_day=1)
    with pytest.raises(Forged, match="not signed by its inviter"):
        ask(elsewhere, "ana", ticket)


def test_voucher_names_the_adding_device_whatever_became_of_the_addition(stage: Stage) -> None:
    voucher = stage.voucher("founder", "founder", "laptop")
    join = DeviceJoin(stage.key("founder"), EXCHANGE, voucher)
    assert ask(stage, "laptop", join) == stage.key("founder")
    with pytest.raises(Forged, match="not vouched for"):
        ask(stage, "eve", join)


def test_feed_must_begin_with_an_account(stage: Stage) -> None:
    with pytest.raises(MalformedInput, match="begins with 'consent'"):
        ask(stage, "ana", make_consent(None))
    with pytest.raises(MalformedInput, match="NAME_LENGTH"):
        ask(stage, "ana", replace(PLAIN, name=""))
