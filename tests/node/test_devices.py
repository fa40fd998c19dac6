"""Several machines for one account: they come by request, and go by revocation or by paper."""

import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from synaptic_crdt.errors import Refused, UsageError
from synaptic_crdt.node.commands import run_command
from synaptic_crdt.node.device_tickets import decode_device_ticket, encode_device_ticket
from synaptic_crdt.node.founding import join_account, join_market, request_device, restore_account
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.queries import run_query
from synaptic_crdt.state.keys import DeviceKey
from tests.node.conftest import carry

Told = dict[str, Any]
Add = Callable[..., Node]


@pytest.fixture
def ana(founder: Node, join: Callable[..., Node]) -> Node:
    """A member who has 1,000 final tokens."""
    node = join("ana", grant=1_000)
    settle(founder, node)
    return node


def settle(founder: Node, *others: Node) -> None:
    """Bring all to the founder, close an epoch, and bring it to all."""
    for node in others:
        carry(node, founder)
    run_command(founder, "checkpoint", {})
    for node in others:
        carry(founder, node)


def send(node: Node, to: Node, amount: int) -> str:
    sent = {"to": to.account.hex(), "amount": amount, "allow_pending": True}
    return run_command(node, "wallet.send", sent)["entry"]


def read_log(node: Node) -> dict[str, Told]:
    return {row["entry"]: row for row in run_query(node, "log", {})["entries"]}


def get_device(entry: str, node: Node) -> str:
    return read_log(node)[entry]["device"]


def write_bundle(node: Node, path: Path) -> str:
    run_query(node, "bundle.write", {"path": str(path)})
    return str(path)


def test_a_second_machine_writes_for_the_same_account(founder: Node, ana: Node, add: Add) -> None:
    laptop = add(ana, "laptop")
    shown = run_query(laptop, "whoami", {})
    assert shown["account"] == ana.account.hex() != shown["device"]
    assert (shown["name"], shown["role"]) == ("ana", "member")
    assert run_query(laptop, "wallet", {}) == run_query(ana, "wallet", {})
    entry = send(laptop, founder, 10)
    carry(laptop, ana)
    row = read_log(ana)[entry]
    assert (row["account"], row["device"]) == (ana.account.hex(), laptop.key.public.hex())
    listed = run_query(laptop, "device.list", {})
    assert listed["account"] == ana.account.hex()
    assert [(row["state"], row["this"]) for row in listed["devices"]] == [
        ("ACTIVE", False),
        ("ACTIVE", True),
        ("PAPER", False),
    ]


def test_before_the_first_sync_a_machine_knows_its_account_and_writes_nothing(
    founder: Node, ana: Node, add: Add
) -> None:
    laptop = add(ana, "laptop", met=False)
    shown = run_query(laptop, "whoami", {})
    assert (shown["account"], shown["role"]) == (ana.account.hex(), None)
    assert shown["opening"]["verdict"] == "DEVICE_NOT_ADDED"
    with pytest.raises(Refused) as refused:
        run_command(laptop, "consent", {"on": True})
    assert refused.value.verdict == "ACCOUNT_UNKNOWN"
    # The new feed is let in wherever the old one is, in either order.
    carry(ana, founder)
    carry(laptop, founder)
    assert run_query(founder, "state", {})["entries"] == founder.replica.entries
    carry(founder, laptop)
    run_command(laptop, "consent", {"on": True})


@pytest.mark.parametrize("laptop_first", [True, False])
def test_of_two_payments_offline_one_applies_everywhere_w12(
    founder: Node, ana: Node, add: Add, laptop_first: bool
) -> None:
    laptop = add(ana, "laptop")
    settle(founder, ana, laptop)
    sent = [send(laptop, founder, 600), send(ana, founder, 600)]
    order = (laptop, ana) if laptop_first else (ana, laptop)
    for node in order:
        carry(node, founder)
    settle(founder, ana, laptop)
    for node in (founder, ana, laptop):
        log = read_log(node)
        assert {log[entry]["verdict"] for entry in sent} == {"APPLIED", "BALANCE_TOO_LOW"}
        assert run_query(node, "wallet", {"account": "ana"})["available"] == 400
    assert len({node.replica.root for node in (founder, ana, laptop)}) == 1
    (loser,) = [entry for entry in sent if read_log(ana)[entry]["verdict"] != "APPLIED"]
    # Whichever lost was seen to apply where it was written.
    (writer,) = [node for node in (ana, laptop) if node.key.public.hex() == get_device(loser, ana)]
    assert read_log(writer)[loser]["standing"] == "reversed"


def test_a_ticket_is_for_one_device_and_a_request_for_any(ana: Node, tmp_path: Path) -> None:
    home, other = Home(tmp_path / "laptop"), Home(tmp_path / "other")
    request = request_device(home, "")
    # Asking again asks for the same device.
    assert request_device(home, "") == request
    ticket = run_command(ana, "device.add", {"request": request["request"]})["ticket"]
    with pytest.raises(UsageError, match="device request"):
        join_account(other, "", ticket)
    request_device(other, "")
    with pytest.raises(UsageError, match="is for device"):
        join_account(other, "", ticket)
    with pytest.raises(UsageError, match="begins with"):
        join_account(home, "", request["request"])
    with pytest.raises(UsageError, match="begins with"):
        run_command(ana, "device.add", {"request": ticket})
    told = join_account(home, "", ticket)
    assert (told["account"], told["device"]) == (ana.account.hex(), request["device"])
    with pytest.raises(UsageError, match="already holds"):
        join_account(home, "", ticket)


def test_a_ticket_that_nobody_signed_makes_no_home(ana: Node, tmp_path: Path) -> None:
    home = Home(tmp_path / "laptop")
    asked = request_device(home, "")
    ticket = run_command(ana, "device.add", {"request": asked["request"]})["ticket"]
    sound = decode_device_ticket(ticket, bytes.fromhex(asked["device"]))
    voucher = structs.replace(sound.voucher, signature=bytes(64))
    with pytest.raises(UsageError, match="nobody signed"):
        join_account(home, "", encode_device_ticket(structs.replace(sound, voucher=voucher)))
    assert not home.is_complete


def test_a_revocation_follows_a_device_whose_clock_is_ahead(
    founder: Node, ana: Node, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get_wall_ms(node: Node) -> int:
        ahead_ms = 3_600_000 if node.home.path.name == "phone" else 0
        return time.time_ns() // 1_000_000 + ahead_ms

    monkeypatch.setattr(Node, "get_wall_ms", get_wall_ms)
    phone = add(ana, "phone")
    revocation = {"device": phone.key.public.hex()}
    assert run_command(ana, "device.revoke", revocation)["verdict"] == "APPLIED"
    with pytest.raises(UsageError, match="begin with"):
        run_command(founder, "device.revoke", revocation)


def test_addresses_travel_with_the_ticket(ana: Node, tmp_path: Path) -> None:
    home = Home(tmp_path / "laptop")
    asked = {"request": request_device(home, "")["request"]}
    address = "tcp://127.0.0.1:7000"
    ticket = run_command(ana, "device.add", asked | {"addresses": [address]})["ticket"]
    assert join_account(home, "", ticket)["addresses"] == [address]


def test_an_older_machine_revokes_a_younger_one(founder: Node, ana: Node, add: Add) -> None:
    laptop = add(ana, "laptop")
    settle(founder, ana, laptop)
    with pytest.raises(Refused) as refused:
        run_command(laptop, "device.revoke", {"device": ana.key.public.hex()})
    assert refused.value.verdict == "DEVICE_IS_OLDER"
    seen = send(laptop, founder, 100)
    carry(laptop, ana)
    told = run_command(ana, "device.revoke", {"device": laptop.key.public.hex()[:8]})
    assert told["revoked"] == laptop.key.public.hex()
    # Whoever has the laptop goes on, and dates it back.
    unseen = send(laptop, founder, 200)
    settle(founder, ana)
    carry(laptop, ana)
    log = read_log(ana)
    # The first one was seen to apply; it came to no checkpoint before the revocation did.
    assert (log[seen]["verdict"], log[seen]["standing"]) == ("DEVICE_REVOKED", "reversed")
    assert log[seen]["reversed_by"] == told["entry"]
    assert unseen not in log
    settle(founder, ana, laptop)
    assert len({node.replica.root for node in (founder, ana, laptop)}) == 1
    assert len({node.market.compute_heads() for node in (founder, ana, laptop)}) == 1
    assert run_query(ana, "wallet", {})["available"] == 1_000
    assert read_log(laptop)[unseen]["standing"] == "reversed"
    with pytest.raises(Refused) as refused:
        send(laptop, founder, 1)
    assert refused.value.verdict == "DEVICE_REVOKED"
    # So it is after opening again, too.
    laptop.close()
    again = Node.open(laptop.home, "")
    assert again.replica.root == ana.replica.root
    assert read_log(again)[unseen]["standing"] == "reversed"
    again.close()


def test_what_was_never_seen_to_apply_is_void(
    founder: Node, ana: Node, add: Add, join: Callable[..., Node]
) -> None:
    laptop = add(ana, "laptop")
    settle(founder, ana, laptop)
    ben = join("ben")
    run_command(ana, "device.revoke", {"device": laptop.key.public.hex()})
    settle(founder, ana)
    unseen = send(laptop, founder, 1)
    carry(founder, laptop)
    # Ben hears of the entry and of the end of its feed at once.
    carry(laptop, ben)
    row = read_log(ben)[unseen]
    assert (row["verdict"], row["standing"]) == ("DEVICE_REVOKED", "void")
    assert "reversed_by" not in row
    assert read_log(laptop)[unseen]["standing"] == "reversed"
    told = run_query(ben, "state", {})
    assert told["pending"] == run_query(laptop, "state", {})["pending"]
    assert (told["root"], told["entries"]) == (laptop.replica.root.hex(), laptop.replica.entries)


@pytest.fixture
def paper_of(founder: Node, tmp_path: Path) -> Iterator[Callable[[str], tuple[Node, str]]]:
    """Join by name; return the open node and its paper key."""
    opened: list[Node] = []

    def join_as(name: str) -> tuple[Node, str]:
        ticket = run_command(founder, "invite", {"grant": 1_000})["ticket"]
        told = join_market(Home(tmp_path / name), "", ticket, name)
        node = Node.open(Home(tmp_path / name), "")
        opened.append(node)
        settle(founder, node)
        return node, told["paper_key"]

    yield join_as
    for node in opened:
        node.close()


def test_a_lost_laptop_is_revoked_from_paper(
    founder: Node, paper_of: Callable[[str], tuple[Node, str]], tmp_path: Path
) -> None:
    lost, key = paper_of("ana")
    home = Home(tmp_path / "new")
    bundle = write_bundle(founder, tmp_path / "market.bundle")
    told = restore_account(home, "", bundle, key)
    assert told["account"] == lost.account.hex()
    assert key not in str(told)
    new = Node.open(home, "")
    assert new.key.public not in {lost.key.public, DeviceKey(bytes.fromhex(key)).public}
    assert new.account == lost.account
    # It is younger than what was lost; the paper is not.
    revocation = {"device": lost.key.public.hex()}
    with pytest.raises(Refused) as refused:
        run_command(new, "device.revoke", revocation)
    assert refused.value.verdict == "DEVICE_IS_OLDER"
    run_command(new, "device.revoke", revocation | {"paper_key": key})
    stolen = send(lost, founder, 1_000)
    settle(founder, new)
    carry(lost, founder)
    settle(founder, new)
    assert run_query(founder, "wallet", {"account": "ana"})["available"] == 1_000
    assert stolen not in read_log(founder)
    assert founder.replica.root == new.replica.root
    states = {row["device"]: row["state"] for row in run_query(new, "device.list", {})["devices"]}
    assert states[lost.key.public.hex()] == "CLOSED"
    send(new, founder, 1_000)
    new.close()


def test_paper_keys_that_are_none_or_of_others(
    founder: Node, paper_of: Callable[[str], tuple[Node, str]], tmp_path: Path
) -> None:
    ana, key = paper_of("ana")
    ben, _ = paper_of("ben")
    bundle = write_bundle(founder, tmp_path / "market.bundle")
    home = Home(tmp_path / "new")
    for text in ("", "abc", "zz" * 32, key[:-2]):
        with pytest.raises(UsageError, match="no paper key") as caught:
            restore_account(home, "", bundle, text)
        assert not text or text not in str(caught.value)
    with pytest.raises(UsageError, match="names this paper key"):
        restore_account(home, "", bundle, secrets.token_hex(32))
    assert not home.is_complete
    # What failed can be tried again.
    assert restore_account(home, "", bundle, f" {key}\n")["account"] == ana.account.hex()
    carry(founder, ben)
    with pytest.raises(UsageError, match="another account"):
        run_command(ben, "device.revoke", {"device": ben.key.public.hex(), "paper_key": key})
