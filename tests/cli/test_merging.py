"""Three homes whose bundles travel in two orders: one winner, one root, and no lie gets in."""

import json
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from synaptic_crdt.cli.demo.peers import Peer
from tests.cli.conftest import copy_homes

Run = Callable[..., Any]
Told = Callable[..., dict[str, Any]]
PROVIDERS = ("ana", "ben")


def play_apart(told: Told) -> None:
    told("rita", "init", "--account-name", "rita")
    for name in PROVIDERS:
        told(name, "join", told("rita", "invite")["ticket"], "--account-name", name)
    told("rita", "checkpoint")
    share(told, "rita", *PROVIDERS)
    for name in PROVIDERS:
        told(name, "consent", "on")
        share(told, name, "rita")
    task = told(
        *(
            "rita",
            "task",
            "post",
            "--kind",
            "text.answer",
            "--title",
            "t",
            "--text",
            "x",
            "--priority",
            "0s",
        ),
        *("--price", "50"),
    )["task"]
    told("rita", "checkpoint")
    share(told, "rita", *PROVIDERS)
    told("ben", "task", "accept", task, "--ask", "40")
    told("ana", "task", "accept", task, "--ask", "30")
    for name in PROVIDERS:
        told(name, "bundle", "write", f"{name}.bundle")


@pytest.fixture
def apart(told: Told, tmp_path: Path, make_once: Callable[..., Path]) -> tuple[str, str]:
    """Ana and Ben accepted the same seat, Ben first, each offline; the task and Ben's account."""
    copy_homes(make_once("apart", play_apart), tmp_path)
    (task,) = told("rita", "task", "list")["tasks"]
    return task["task"], told("ben", "whoami")["account"]


def share(told: Told, giver: str, *takers: str) -> None:
    told(giver, "bundle", "write", "stick")
    for taker in takers:
        told(taker, "bundle", "read", "stick")


def get_winners(told: Told, home: str, task: str) -> list[str]:
    return [row["provider"] for row in told(home, "task", "show", task)["assignments"]]


def test_two_orders_one_winner_one_root(told: Told, apart: tuple[str, str]) -> None:
    task, ben = apart
    orders = dict(zip(("olga", "otto"), permutations(PROVIDERS), strict=True))
    for auditor in orders:
        told(auditor, "join", told("rita", "invite", "--role", "auditor")["ticket"])
    for home in ("rita", *orders):
        told(home, "bundle", "write", f"{home}.bundle")
    states: list[dict[str, Any]] = []
    for auditor, order in orders.items():
        for home in ("rita", *order, *orders):
            told(auditor, "bundle", "read", f"{home}.bundle")
        assert get_winners(told, auditor, task) == [ben]
        states.append(told(auditor, "state"))
    assert states[0] == states[1]


def test_the_first_by_time_wins_on_the_sequencer_in_both_orders(
    told: Told, apart: tuple[str, str]
) -> None:
    task, ben = apart
    told("rita", "bundle", "read", "ana.bundle")
    assert get_winners(told, "rita", task) == [told("ana", "whoami")["account"]]
    told("rita", "bundle", "read", "ben.bundle")
    assert get_winners(told, "rita", task) == [ben]
    told("rita", "checkpoint")
    share(told, "rita", *PROVIDERS)
    roots = {told(name, "state")["root"] for name in ("rita", *PROVIDERS)}
    assert len(roots) == 1
    for name in ("rita", *PROVIDERS):
        (won,) = told(name, "task", "show", task)["assignments"]
        assert (won["provider"], won["standing"]) == (ben, "final")


def test_the_loser_is_told_that_it_was_reversed(told: Told, apart: tuple[str, str]) -> None:
    task, _ = apart
    mine = told("ana", "log")["entries"][-1]
    assert (mine["operation"], mine["verdict"], mine["standing"]) == (
        "task.accept",
        "APPLIED",
        "pending",
    )
    told("ana", "bundle", "read", "ben.bundle")
    (after,) = [row for row in told("ana", "log")["entries"] if row["entry"] == mine["entry"]]
    assert (after["verdict"], after["standing"]) == ("NO_FREE_SEAT", "reversed")
    assert after["explanation"]
    (won,) = told("ana", "task", "show", task)["assignments"]
    assert after["reversed_by"] == won["assignment"]


def test_what_comes_after_the_checkpoint_takes_its_later_place(
    told: Told, apart: tuple[str, str]
) -> None:
    task, _ = apart
    ana = told("ana", "whoami")["account"]
    told("rita", "bundle", "read", "ana.bundle")
    told("rita", "checkpoint")
    told("rita", "bundle", "read", "ben.bundle")
    told("rita", "checkpoint")
    share(told, "rita", "ben")
    assert get_winners(told, "ben", task) == [ana]
    mine = [
        row
        for row in told("ben", "log")["entries"]
        if row["operation"] == "task.accept" and row["account"] != ana
    ]
    assert [row["verdict"] for row in mine] == ["NO_FREE_SEAT"]


@pytest.mark.usefixtures("apart")
def test_an_audit_gives_the_root_that_peers_show(told: Told) -> None:
    told("rita", "bundle", "read", "ana.bundle")
    told("rita", "bundle", "read", "ben.bundle")
    told("rita", "checkpoint")
    told("rita", "bundle", "write", "all.bundle")
    state = told("rita", "state")
    audited = told("nobody", "audit", "all.bundle")
    assert {key: audited[key] for key in ("root", "entries", "verified", "heads")} == {
        "root": state["root"],
        "entries": state["entries"],
        "verified": state["entries"],
        "heads": state["heads"],
    }
    assert told("nobody", "audit", "all.bundle", "--root", state["root"]) == audited
    assert told("rita", "audit")["root"] == state["root"]
    shown = told("nobody", "bundle", "show", "all.bundle")
    assert (shown["entries"], shown["market"]) == (state["entries"], state["market"])


@pytest.mark.usefixtures("apart")
def test_an_audit_of_another_root_fails(told: Told, run: Run) -> None:
    told("rita", "bundle", "write", "all.bundle")
    for line in (("audit", "all.bundle"), ("--home", "rita", "audit")):
        done = run(*line, "--json", "--root", "00" * 32)
        assert (done.code, done.out) == (4, "")
        assert "claimed was" in done.error["message"]


@pytest.mark.usefixtures("apart")
def test_a_flipped_bit_anywhere_is_refused_and_changes_nothing(
    told: Told, run: Run, tmp_path: Path
) -> None:
    whole = (tmp_path / "ben.bundle").read_bytes()
    before = told("ana", "state")
    for place in range(0, len(whole), max(1, len(whole) // 40)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << (place % 8)
        (tmp_path / "forged.bundle").write_bytes(flipped)
        for line in (["bundle", "read"], ["audit"]):
            done = run("--home", "ana", "--json", *line, "forged.bundle")
            assert done.code in {3, 4}, (place, done)
            assert done.code == 4 or done.error["error"] in {"WrongMarket", "VersionMismatch"}
    assert told("ana", "state") == before


@pytest.mark.usefixtures("apart")
@pytest.mark.parametrize("keep", [0, 1, 60, -1])
def test_a_bundle_cut_short_is_refused(told: Told, run: Run, tmp_path: Path, keep: int) -> None:
    whole = (tmp_path / "ben.bundle").read_bytes()
    (tmp_path / "short.bundle").write_bytes(whole[:keep])
    before = told("ana", "state")
    assert run("--home", "ana", "bundle", "read", "short.bundle").code == 4
    assert told("ana", "state") == before


@pytest.mark.usefixtures("apart")
def test_a_bundle_of_another_market(told: Told, run: Run) -> None:
    told("other", "init")
    told("other", "bundle", "write", "other.bundle")
    done = run("--home", "ana", "--json", "bundle", "read", "other.bundle")
    assert (done.code, done.error["error"]) == (3, "WrongMarket")


@pytest.mark.usefixtures("apart")
def test_processes_see_what_this_one_sees(told: Told, tmp_path: Path) -> None:
    told("ana", "bundle", "read", "ben.bundle")
    peer = Peer("ana", tmp_path / "ana")
    assert peer.run("state") == told("ana", "state")
    code, answer, error = peer.try_run("bundle", "read", str(tmp_path / "missing"))
    assert (code, answer, error["exit_code"]) == (2, {}, 2)
    assert json.dumps(peer.run("log")) == json.dumps(told("ana", "log"))
