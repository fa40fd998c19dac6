"""Founding, inviting, joining, and the fields that other programs may rely on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Told = Callable[..., dict[str, Any]]
HEX = frozenset("0123456789abcdef")


def is_id(text: str) -> bool:
    return len(text) == 64 and HEX.issuperset(text)


def test_founding_tells_who_and_where(told: Told, tmp_path: Path) -> None:
    founded = told("rita", "init", "--name", "Ours", "--account-name", "rita", "--fund", "500")
    assert is_id(founded["market"])
    assert is_id(founded["account"])
    assert is_id(founded["device"])
    assert founded["home"] == str(tmp_path / "rita")
    assert (founded["market_name"], founded["name"], founded["funded"]) == ("Ours", "rita", 500)
    assert is_id(founded["recovery_key"])
    assert is_id(founded["paper_key"])
    identity = told("rita", "whoami")
    assert {key: identity[key] for key in ("market", "account", "device", "name")} == {
        key: founded[key] for key in ("market", "account", "device", "name")
    }
    assert identity["sequencer"] is True


def test_a_home_holds_one_market(run: Callable[..., Any], told: Told) -> None:
    told("rita", "init")
    before = told("rita", "state")
    done = run("--home", "rita", "--json", "init")
    assert done.code == 2
    assert "already holds a market; choose another place with --home" in done.error["message"]
    assert told("rita", "state") == before


def test_an_empty_home_says_what_to_do(run: Callable[..., Any]) -> None:
    done = run("--home", "nobody", "wallet")
    assert done.code == 2
    assert "synaptic-crdt init" in done.err
    assert "synaptic-crdt join TICKET" in done.err
    assert not Path("nobody").exists()


def test_joining_with_a_ticket(told: Told, run: Callable[..., Any]) -> None:
    founded = told("rita", "init")
    issued = told("rita", "invite", "--grant", "100", "--address", "tcp://127.0.0.1:7700")
    assert issued["ticket"].startswith("synaptic1-")
    assert (issued["role"], issued["grant"]) == ("member", 100)
    joined = told("paul", "join", issued["ticket"], "--account-name", "paul")
    assert joined["market"] == founded["market"]
    assert is_id(joined["account"])
    assert joined["account"] != founded["account"]
    assert joined["device"] == told("paul", "whoami")["device"]
    assert joined["addresses"] == ["tcp://127.0.0.1:7700"]
    (listed,) = told("rita", "invite", "list")["invitations"]
    assert (listed["invitation"], listed["grant"]) == (issued["invitation"], 100)
    shown = run("--home", "rita", "invite", "list").out
    assert shown.splitlines()[1].split()[:3] == [issued["invitation"][:12], "member", "100"]


def test_a_ticket_from_standard_input(
    told: Told, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told("rita", "init")
    ticket = tmp_path / "ticket"
    ticket.write_text(told("rita", "invite")["ticket"] + "\n")
    with ticket.open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert run("--home", "paul", "join", "-").code == 0


def test_what_is_no_ticket_on_standard_input(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path("/dev/zero").open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        done = run("--home", "paul", "join", "-")
    assert (done.code, "a ticket begins with synaptic1-" in done.err) == (2, True)


def test_a_ticket_that_somebody_else_used(told: Told, run: Callable[..., Any]) -> None:
    told("rita", "init")
    ticket = told("rita", "invite")["ticket"]
    for name in ("paul", "mallory"):
        assert told(name, "join", ticket, "--account-name", name)["name"] == name
        told(name, "bundle", "write", f"{name}.bundle")
        told("rita", "bundle", "read", f"{name}.bundle")
    told("rita", "checkpoint")
    told("rita", "bundle", "write", "rita.bundle")
    told("mallory", "bundle", "read", "rita.bundle")
    identity = told("mallory", "whoami")
    assert (identity["role"], identity["opening"]["verdict"]) == (None, "INVITATION_USED")
    assert "somebody came in with this invitation before" in run("--home", "mallory", "whoami").out


@pytest.mark.parametrize(
    ("old", "new"), [("synaptic1-", "synaptic9-"), ("synaptic1-", ""), ("a", "b"), ("a", "!")]
)
def test_a_bad_ticket_makes_no_home(
    told: Told, run: Callable[..., Any], old: str, new: str
) -> None:
    told("rita", "init")
    ticket = told("rita", "invite")["ticket"]
    prefix, secret = ticket[:10], ticket[10:]
    spoiled = (prefix + secret.replace(old, new)) if len(old) == 1 else new + secret
    assert run("--home", "paul", "join", spoiled).code == 2
    assert run("--home", "paul", "whoami").code == 2


@pytest.mark.parametrize(
    ("addresses", "message"),
    [
        (["tcp://127.0.0.1:1"] * 17, "17 addresses are over the 16"),
        (["a" * 513], "over the 512 bytes"),
    ],
)
def test_an_invitation_that_fits_no_ticket_is_not_written(
    told: Told, run: Callable[..., Any], addresses: list[str], message: str
) -> None:
    told("rita", "init")
    line = [part for address in addresses for part in ("--address", address)]
    done = run("--home", "rita", "invite", *line)
    assert (done.code, message in done.err) == (2, True)
    assert told("rita", "invite", "list") == {"invitations": []}


def test_a_ticket_names_the_newest_addresses_known(told: Told, tmp_path: Path) -> None:
    told("rita", "init")
    known = [f"tcp://127.0.0.1:{port}" for port in range(1, 41)]
    (tmp_path / "rita" / "peers.json").write_text(json.dumps(known))
    ticket = told("rita", "invite")["ticket"]
    assert told("paul", "join", ticket)["addresses"] == known[:16]


def test_an_invitation_is_taken_back(told: Told) -> None:
    told("rita", "init", "--fund", "500")
    issued = told("rita", "invite", "--grant", "200")
    assert told("rita", "wallet")["granted"] == 200
    revoked = told("rita", "invite", "revoke", issued["invitation"][:10])
    assert revoked["verdict"] == "APPLIED"
    assert told("rita", "wallet")["granted"] == 0


def test_people_are_told_what_comes_next(run: Callable[..., Any]) -> None:
    done = run("--home", "rita", "init", "--name", "Ours")
    assert done.code == 0
    assert "founded 'Ours'" in done.out
    assert "recovery key" in done.out
    assert "next: synaptic-crdt --home rita invite" in done.err
    assert "mode 0600" in done.err


def test_state_and_its_fields(told: Told) -> None:
    told("rita", "init", "--supply", "5000", "--fund", "5")
    state = told("rita", "state")
    assert is_id(state["root"])
    assert is_id(state["heads"])
    assert (state["entries"], state["pending"], state["final"]) == (2, 0, 2)
    assert state["epoch"] == 1
    assert state["supply"] == 5000
    assert state["balances"] + state["holds"] + state["treasury"] == 5000
    assert state["time"] > 0


def test_the_log_tells_every_entry(told: Told) -> None:
    founded = told("rita", "init")
    entries = told("rita", "log")["entries"]
    assert [entry["operation"] for entry in entries] == ["account.open", "treasury.pay"]
    for number, entry in enumerate(entries, start=1):
        assert is_id(entry["entry"])
        assert entry["device"] == founded["device"]
        assert entry["position"] == number
        assert entry["time"] > 0
        assert entry["verdict"] == "APPLIED"
        assert entry["standing"] == "final"
    assert told("rita", "log", "--last", "1")["entries"] == entries[1:]


def test_pending_until_a_checkpoint(told: Told, run: Callable[..., Any]) -> None:
    told("rita", "init")
    assert told("rita", "consent", "on")["standing"] == "pending"
    assert told("rita", "state")["pending"] == 1
    assert "pending: not in a checkpoint yet" in run("--home", "rita", "consent", "off").out
    made = told("rita", "checkpoint")
    assert (made["index"], made["final"]) == (2, True)
    assert told("rita", "state")["pending"] == 0
    assert {row["standing"] for row in told("rita", "log")["entries"]} == {"final"}


def test_consent_and_its_terms(told: Told, run: Callable[..., Any]) -> None:
    told("rita", "init")
    assert told("rita", "consent", "show")["opted_in"] is False
    shown = run("--home", "rita", "consent", "show")
    assert shown.out.startswith("not opted in\n")
    assert shown.out.endswith(told("rita", "consent", "show")["text"])
    told("rita", "consent", "on")
    assert told("rita", "consent", "show")["opted_in"] is True
    shown = run("--home", "rita", "consent", "show")
    assert shown.out.startswith("opted in to the terms in force\n")
    told("rita", "consent", "off")
    assert told("rita", "consent", "show")["opted_in"] is False


def test_a_sandbox_says_so_everywhere(run: Callable[..., Any]) -> None:
    assert "nothing in it is ever final" in run("--home", "rita", "init", "--sandbox").err
    for line in (["whoami"], ["state"]):
        assert "ever final" in run("--home", "rita", *line).out


def test_no_word_of_others_is_offered_to_be_copied(told: Told, run: Callable[..., Any]) -> None:
    told("rita", "init")
    ticket = told("rita", "invite", "--address", "tcp://x; rm -rf ~")["ticket"]
    done = run("--home", "pa ul", "join", ticket)
    assert done.code == 0
    assert "next: synaptic-crdt --home 'pa ul' sync\n" in done.err
    assert "rm" not in done.err
