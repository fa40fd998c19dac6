"""A ticket is taken as a whole or not at all."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synaptic_crdt.errors import UsageError
from synaptic_crdt.node.commands import run_command
from synaptic_crdt.node.founding import found_market
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.peers import keep_addresses
from synaptic_crdt.node.tickets import decode_ticket, encode_ticket, make_ticket
from synaptic_crdt.state.store import Store


def _make_text(founder: Node) -> str:
    return run_command(founder, "invite", {"addresses": ["tcp://127.0.0.1:7000"]})["ticket"]


def test_a_ticket_reads_back_as_it_was_written(founder: Node) -> None:
    text = _make_text(founder)
    ticket = decode_ticket(text)
    assert encode_ticket(ticket) == text
    assert ticket.market == founder.market.id
    assert ticket.addresses == ("tcp://127.0.0.1:7000",)
    assert ticket.certificate.inviter == founder.key.public


def test_line_breaks_of_a_mail_do_no_harm(founder: Node) -> None:
    text = _make_text(founder)
    broken = "\n".join(text[start : start + 60] for start in range(0, len(text), 60))
    assert decode_ticket(f"  {broken}\n") == decode_ticket(text)


def test_every_changed_character_is_noticed(founder: Node) -> None:
    text = _make_text(founder)
    for place in range(len("synaptic1-"), len(text) - 1):
        changed = "A" if text[place] != "A" else "B"
        with pytest.raises(UsageError):
            decode_ticket(text[:place] + changed + text[place + 1 :])


def test_a_cut_ticket_is_refused(founder: Node) -> None:
    text = _make_text(founder)
    for end in (0, 5, 12, len(text) // 2, len(text) - 1):
        with pytest.raises(UsageError):
            decode_ticket(text[:end])


@given(st.text(max_size=200))
def test_no_text_raises_anything_else(text: str) -> None:
    with pytest.raises(UsageError):
        decode_ticket(text)
    with pytest.raises(UsageError):
        decode_ticket("synaptic1-" + text)


def test_a_ticket_with_too_many_addresses_is_refused(founder: Node) -> None:
    ticket = decode_ticket(_make_text(founder))
    crowded = make_ticket(ticket.genesis, ticket.certificate, ticket.secret, ["tcp://h:1"] * 17)
    with pytest.raises(UsageError, match="addresses"):
        decode_ticket(encode_ticket(crowded))
    short = make_ticket(ticket.genesis, ticket.certificate, b"short", [])
    with pytest.raises(UsageError, match="secret"):
        decode_ticket(encode_ticket(short))


@pytest.mark.parametrize("address", ["exec:touch pwned", "stdio:", "unix:///run/some.sock", "x"])
def test_a_ticket_never_says_what_this_machine_runs(founder: Node, address: str) -> None:
    ticket = decode_ticket(_make_text(founder))
    hostile = make_ticket(ticket.genesis, ticket.certificate, ticket.secret, [address])
    with pytest.raises(UsageError, match="none that a ticket carries"):
        decode_ticket(encode_ticket(hostile))
    with pytest.raises(UsageError, match="none that a ticket carries"):
        run_command(founder, "invite", {"addresses": [address]})


def test_a_ticket_carries_what_is_known_and_can_be_dialled(founder: Node) -> None:
    keep_addresses(founder.home, ["exec:ssh host synaptic-crdt sync stdio:", "tcp://host:7700"])
    text = run_command(founder, "invite", {})["ticket"]
    assert decode_ticket(text).addresses == ("tcp://host:7700",)


def test_a_ticket_that_nobody_signed_is_refused(founder: Node) -> None:
    ticket = decode_ticket(_make_text(founder))
    raised = msgspec.structs.replace(ticket.certificate, grant=1_000_000)
    forged = make_ticket(ticket.genesis, raised, ticket.secret, [])
    with pytest.raises(UsageError, match="not signed by the inviter"):
        decode_ticket(encode_ticket(forged))


def test_the_secret_of_another_ticket_is_refused(founder: Node) -> None:
    first, second = (decode_ticket(_make_text(founder)) for _ in range(2))
    spliced = make_ticket(first.genesis, first.certificate, second.secret, [])
    with pytest.raises(UsageError, match="belongs to another invitation"):
        decode_ticket(encode_ticket(spliced))


def test_a_certificate_of_another_market_is_refused(founder: Node, tmp_path: Path) -> None:
    ticket = decode_ticket(_make_text(founder))
    found_market(Home(tmp_path / "other"), "", name="Other", account_name="Oz", wall_ms=1_000)
    store = Store.open(tmp_path / "other" / "market.db")
    store.close()
    moved = make_ticket(store.genesis, ticket.certificate, ticket.secret, [])
    with pytest.raises(UsageError, match="for this market"):
        decode_ticket(encode_ticket(moved))
