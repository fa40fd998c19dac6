"""One account on several machines, through processes of their own and files between them."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synaptic_crdt.cli.demo.peers import Peer

Run = Callable[..., Any]
Told = Callable[..., dict[str, Any]]


class Stick:
    """Carries bundles and texts between machines, as a person does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def carry(self, giver: Peer, *takers: Peer) -> str:
        path = str(self.folder / f"{giver.name}.bundle")
        giver.run("bundle", "write", path)
        for taker in takers:
            taker.run("bundle", "read", path)
        return path

    def settle(self, sequencer: Peer, *others: Peer) -> None:
        for other in others:
            self.carry(other, sequencer)
        sequencer.run("checkpoint")
        self.carry(sequencer, *others)


def type_in(text: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(text.encode()))


def get_verdicts(peer: Peer, *entries: str) -> list[tuple[str, str]]:
    rows = {row["entry"]: row for row in peer.run("log")["entries"]}
    return [(rows[entry]["verdict"], rows[entry]["standing"]) for entry in entries]


def test_two_offline_machines_spend_one_balance_and_a_lost_one_is_ended_from_paper(
    tmp_path: Path,
) -> None:
    stick = Stick(tmp_path)
    rita, desk, laptop, new = (
        Peer(name, tmp_path / name) for name in ("rita", "desk", "laptop", "new")
    )
    rita.run("init", "--account-name", "rita")
    ticket = rita.run("invite", "--grant", "1000")["ticket"]
    opened = desk.run("join", ticket, "--account-name", "ana")
    stick.settle(rita, desk)
    # A second machine: asked for there, answered here, completed there.
    asked = laptop.run("device", "request")
    added = desk.run("device", "add", asked["request"])
    assert added["added"] == asked["device"]
    joined = laptop.run("device", "join", added["ticket"])
    assert (joined["account"], joined["device"]) == (opened["account"], asked["device"])
    stick.settle(rita, desk, laptop)
    identities = [peer.run("whoami") for peer in (desk, laptop)]
    assert [one["account"] for one in identities] == [opened["account"]] * 2
    assert [one["device"] for one in identities] == [opened["device"], asked["device"]]
    assert [one["name"] for one in identities] == ["ana", "ana"]

    # Both are offline and send 600 of the same 1,000.
    sent = [peer.run("wallet", "send", "rita", "600")["entry"] for peer in (desk, laptop)]
    stick.settle(rita, laptop, desk)
    stick.carry(rita, laptop)
    for peer in (rita, desk, laptop):
        verdicts = dict(get_verdicts(peer, *sent))
        assert set(verdicts) == {"APPLIED", "BALANCE_TOO_LOW"}
        assert verdicts["APPLIED"] == "final"
    states = [peer.run("state") for peer in (rita, desk, laptop)]
    assert len({(state["root"], state["heads"]) for state in states}) == 1
    assert rita.run("wallet", "--account", "ana")["available"] == 400
    assert rita.run("bundle", "read", stick.carry(laptop))["forks"] == []

    # The desk is lost, and who has it sends what is left; paper ends that.
    bundle = stick.carry(rita)
    restored = new.run("device", "restore", bundle, "--paper-key", opened["paper_key"])
    assert restored["account"] == opened["account"]
    code, _, error = new.try_run("device", "revoke", opened["device"])
    assert (code, error["verdict"]) == (1, "DEVICE_IS_OLDER")
    new.run("device", "revoke", opened["device"], "--paper-key", opened["paper_key"])
    stolen = desk.run("wallet", "send", "rita", "400")["entry"]
    stick.settle(rita, new)
    stick.carry(desk, rita)
    stick.settle(rita, new, laptop, desk)
    roots = {peer.run("state")["root"] for peer in (rita, desk, laptop, new)}
    assert len(roots) == 1
    assert rita.run("wallet", "--account", "ana")["available"] == 400
    assert get_verdicts(desk, stolen) == [("DEVICE_REVOKED", "reversed")]
    code, _, error = desk.try_run("wallet", "send", "rita", "1")
    assert (code, error["verdict"]) == (1, "DEVICE_REVOKED")
    # The account goes on, on what is left of its machines and on the new one.
    for peer, amount in ((laptop, "150"), (new, "250")):
        peer.run("wallet", "send", "rita", amount)
    stick.settle(rita, laptop, new)
    assert rita.run("wallet", "--account", "ana")["available"] == 0
    audited = rita.run("audit", stick.carry(rita))
    assert audited["root"] == rita.run("state")["root"]


@pytest.fixture
def pair(told: Told) -> tuple[str, str]:
    """Rita's two homes: the second has joined and met the first."""
    told("rita", "init", "--account-name", "rita")
    request = told("laptop", "device", "request")["request"]
    told("laptop", "device", "join", told("rita", "device", "add", request)["ticket"])
    told("rita", "bundle", "write", "stick")
    told("laptop", "bundle", "read", "stick")
    return "rita", "laptop"


def test_a_person_is_told_what_to_compare_and_what_comes_next(
    run: Run, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    told("rita", "init", "--account-name", "rita")
    asked = run("--home", "laptop", "device", "request")
    device = told("laptop", "device", "request")["device"]
    assert asked.out.startswith("synaptic-request1-")
    assert f"device {device}" in asked.err
    monkeypatch.setattr("sys.stdin", type_in(asked.out))
    added = run("--home", "rita", "device", "add", "-")
    assert added.out.startswith("synaptic-device1-")
    assert device in added.err
    monkeypatch.setattr("sys.stdin", type_in(added.out))
    joined = run("--home", "laptop", "device", "join", "-")
    assert (joined.code, "before the first sync" in joined.out) == (0, True)
    assert "sync ADDRESS" in joined.err


def test_devices_are_listed_and_revoked(run: Run, told: Told, pair: tuple[str, str]) -> None:
    rita, laptop = pair
    told(laptop, "bundle", "write", "stick")
    told(rita, "bundle", "read", "stick")
    assert run("--home", laptop, "whoami").out.count("member") == 1
    device = told(laptop, "whoami")["device"]
    listed = run("--home", rita, "device", "list")
    assert [line.split()[1] for line in listed.out.splitlines()[1:]] == [
        "ACTIVE",
        "ACTIVE",
        "PAPER",
    ]
    assert "this one" in listed.out.splitlines()[1]
    revoked = run("--home", rita, "device", "revoke", device[:6])
    assert (revoked.code, f"revoked device {device}" in revoked.out) == (0, True)
    assert "pending" in revoked.out
    told(rita, "checkpoint")
    rows = told(rita, "device", "list")["devices"]
    assert {row["state"] for row in rows if row["device"] == device} == {"CLOSED"}
    told(rita, "bundle", "write", "stick")
    told(laptop, "bundle", "read", "stick")
    assert "none: this device was revoked" in run("--home", laptop, "whoami").out


def test_a_restored_home_says_whom_to_revoke(
    run: Run, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = told("rita", "init", "--account-name", "rita")
    told("rita", "bundle", "write", "market.bundle")
    monkeypatch.setattr("sys.stdin", type_in(opened["paper_key"] + "\n"))
    restored = run("--home", "new", "device", "restore", "market.bundle", "--paper-key", "-")
    assert (restored.code, "this one" in restored.out) == (0, True)
    assert f"device revoke {opened['device'][:12]} --paper-key -" in restored.err
    assert opened["paper_key"] not in restored.out + restored.err


def test_a_locked_key_of_a_request_is_unlocked_to_join(
    run: Run, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    told("rita", "init", "--account-name", "rita")
    monkeypatch.setenv("SYNAPTIC_PASSPHRASE", "secret")
    request = told("laptop", "device", "request")["request"]
    monkeypatch.setenv("SYNAPTIC_PASSPHRASE", "")
    ticket = told("rita", "device", "add", request)["ticket"]
    done = run("--home", "laptop", "--json", "device", "join", ticket)
    assert (done.code, done.error["error"]) == (2, "KeyLocked")
    monkeypatch.setenv("SYNAPTIC_PASSPHRASE", "secret")
    told("laptop", "device", "join", ticket)
