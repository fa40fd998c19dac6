"""A copied home writes on both copies: nobody else is harmed, and what lost can be written again."""

import shutil
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from synaptic_crdt.cli.demo.peers import Peer

Run = Callable[..., Any]
Told = Callable[..., dict[str, Any]]


@pytest.fixture
def rita(tmp_path: Path) -> Peer:
    """The founder, with a market that Ana has joined."""
    founder = Peer("rita", tmp_path / "rita")
    founder.run("init", "--account-name", "rita")
    return founder


@contextmanager
def listening(peer: Peer) -> Generator[str]:
    with peer.serving("listen", "tcp://127.0.0.1:0", until="listening") as event:
        yield event["address"]


def join(rita: Peer, name: str, grant: int) -> Peer:
    peer = Peer(name, rita.home.with_name(name))
    ticket = rita.run("invite", "--grant", str(grant))["ticket"]
    peer.account = peer.run("join", ticket, "--account-name", name)["account"]
    return peer


def copy_home(peer: Peer, name: str) -> Peer:
    home = peer.home.with_name(name)
    shutil.copytree(peer.home, home)
    return Peer(name, home)


def send(peer: Peer, amount: int) -> dict[str, Any]:
    return peer.run("wallet", "send", "rita", str(amount), "--allow-pending")


def test_both_copies_write_and_the_market_goes_on(rita: Peer) -> None:
    ana = join(rita, "ana", 500)
    with ExitStack() as serving:
        address = serving.enter_context(listening(rita))
        ana.run("sync", address)
        ana.wait_for("opening", ("state",), lambda state: state["entries"] > 0)
        rita.wait_for("finality", ("state",), lambda state: state["pending"] == 0)
        ana.run("sync", address)
        copied = copy_home(ana, "copied")
        # The copy is told apart by its place, and writes nothing before it has asked around.
        code, _, error = copied.try_run("wallet", "send", "rita", "1")
        assert code == 2
        assert "was last used" in error["message"]
        assert copied.run("state")["moved"] is True
        copied.run("sync", address)
        assert copied.run("state")["moved"] is False
    # Now nobody is there to be asked, and both go on.
    kept = [send(ana, 10), send(ana, 20)]
    lost = [send(copied, 30), send(copied, 40), send(copied, 50)]
    # Both branches reach the sequencer before it makes a checkpoint, so that it sees the fork.
    for peer in (ana, copied):
        file = str(peer.home.with_suffix(".bundle"))
        peer.run("bundle", "write", file)
        rita.run("bundle", "read", file)
    assert [fork["settled"] for fork in rita.run("fork", "list")["forks"]] == [False]
    with listening(rita) as address:
        rita.wait_for(
            "settlement",
            ("state",),
            lambda state: state["pending"] == state["suspended"] == 0,
        )
        for peer in (copied, ana):
            peer.run("sync", address)
        states = [peer.run("state") for peer in (rita, ana, copied)]
        assert len({state["root"] for state in states}) == 1
        assert [fork["settled"] for fork in rita.run("fork", "list")["forks"]] == [True]
        log = {row["entry"]: row for row in copied.run("log")["entries"]}
        assert [log[row["entry"]]["standing"] for row in kept] == ["final", "final"]
        void = copied.run("log", "--void")["void"]
        assert [row["entry"] for row in void] == [row["entry"] for row in lost]
        assert all(row["own"] for row in void)
        # What its owner still wants is written again, on the branch that won.
        again = copied.run("reissue", lost[2]["entry"], lost[0]["entry"][:12])["reissued"]
        assert [row["instead_of"] for row in again] == [lost[0]["entry"], lost[2]["entry"]]
        assert {row["verdict"] for row in again} == {"APPLIED"}
        copied.run("sync", address)
        rita.run("fork", "report", void[0]["device"])
        code, _, error = rita.try_run("fork", "report", void[0]["device"])
        assert (code, error["verdict"]) == (1, "FORK_KNOWN")
        ana.run("sync", address)
        assert ana.run("wallet")["available"] == 500 - 10 - 20 - 30 - 50


@pytest.mark.parametrize(
    ("give", "take"),
    [(("bundle", "write"), ("bundle", "read")), (("export",), ("import",))],
    ids=["bundle", "document"],
)
def test_a_file_that_proves_and_settles_a_fork_is_read_once(
    rita: Peer, tmp_path: Path, give: tuple[str, ...], take: tuple[str, ...]
) -> None:
    copied = copy_home(rita, "copied")
    (copied.home / "place.json").unlink()
    rita.run("invite")
    for _ in range(2):
        copied.run("invite")
    rita.run("checkpoint")
    file = str(tmp_path / "file")
    rita.run(*give, file)
    report = copied.run(*take, file)
    # Only what the losing branch does not share is new; the losing branch is no loss to the count.
    assert (report["received"], report["known"]) == (1, 2)
    assert report["forks"] == []
    assert report["root"] == rita.run("state")["root"]
    assert len(copied.run("log", "--void")["void"]) == 2


def test_a_forked_device_is_told_what_to_do(rita: Peer) -> None:
    ana = join(rita, "ana", 500)
    bundle = str(rita.home.with_name("stick"))
    rita.run("bundle", "write", bundle)
    ana.run("bundle", "read", bundle)
    copied = copy_home(ana, "copied")
    # Whoever takes the note away takes the guard away: then both write at once.
    (copied.home / "place.json").unlink()
    ana.run("consent", "on")
    copied.run("consent", "on")
    copied.run("bundle", "write", bundle)
    report = ana.run("bundle", "read", bundle)
    assert report["forks"] == [ana.account]
    code, _, error = ana.try_run("consent", "off")
    assert code == 4
    assert "signed two histories from position 2 on" in error["message"]
    assert "reissue" in error["message"]
    [suspended] = ana.run("log", "--void")["suspended"]
    assert suspended["operation"] == "consent"


def test_a_home_put_back_from_a_backup_asks_first(told: Told, run: Run, tmp_path: Path) -> None:
    told("rita", "init", "--account-name", "rita")
    told("ana", "join", told("rita", "invite")["ticket"], "--account-name", "ana")
    told("ana", "bundle", "write", "stick")
    told("rita", "bundle", "read", "stick")
    shutil.copy(tmp_path / "rita" / "market.db", "backup")
    told("rita", "invite")
    shutil.move("backup", tmp_path / "rita" / "market.db")
    done = run("--home", "rita", "--json", "invite")
    assert done.code == 2
    assert "put back from a backup" in done.error["message"]
    done = run("--home", "rita", "checkpoint")
    assert done.code == 2


def test_what_there_is_nothing_of(told: Told, run: Run) -> None:
    told("rita", "init", "--account-name", "rita")
    assert told("rita", "log", "--void") == {"suspended": [], "void": []}
    assert told("rita", "fork", "list") == {"forks": []}
    assert run("--home", "rita", "reissue", "ab").code == 2
    assert run("--home", "rita", "fork", "report", "ab").code == 2
    for line in (("log", "--void"), ("fork", "list"), ("state",)):
        assert run("--home", "rita", *line).code == 0
