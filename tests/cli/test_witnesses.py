"""Markets with witnesses, and what becomes of them when their sequencer is lost or stolen."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import carry, copy_home, copy_homes

Json = dict[str, Any]
Told = Callable[..., Json]
Run = Callable[..., Any]
WITNESSES = ("ana", "ben", "cem")
PATIENCE_SECONDS = 60.0


def found(told: Told) -> None:
    """Rita founds a market with three witnesses, who join and cosign its first checkpoint."""
    devices = [told(name, "key")["device"] for name in WITNESSES]
    named = [word for device in devices for word in ("--witness", device)]
    answer = told("rita", "init", "--account-name", "rita", *named)
    assert answer["witnesses"] == sorted(devices)
    Path("recovery").write_text(answer["recovery_key"])
    for name in WITNESSES:
        joined = told(name, "join", told("rita", "invite")["ticket"], "--account-name", name)
        assert joined["device"] in devices
    carry(told, "rita", *WITNESSES)
    for name in WITNESSES:
        carry(told, name, "rita")


@pytest.fixture
def market(told: Told, tmp_path: Path, make_once: Callable[..., Path]) -> Told:
    copy_homes(make_once("witnessed", found), tmp_path)
    return told


def get_findings(told: Told, home: str) -> list[str]:
    return [finding["name"] for finding in told(home, "doctor")["findings"]]


def close_epoch(told: Told, sequencer: str, *witnesses: str) -> None:
    """Make a checkpoint, and have witnesses cosign it until it counts."""
    assert not told(sequencer, "checkpoint")["counts"]
    for name in witnesses:
        carry(told, sequencer, name)
        assert told(name, "cosign")["word"] == "cosigns"
        carry(told, name, sequencer)


def test_a_checkpoint_counts_once_a_majority_cosigned_it(market: Told, run: Run) -> None:
    told = market
    state = told("rita", "state")
    assert (state["checkpoints"], state["final"], state["cosignatures_needed"]) == (0, 0, 2)
    assert state["remarks"] == ["checkpoint 1 waits for 0 of 2 cosignatures"]
    assert get_findings(told, "rita") == ["cosignatures-awaited"]
    refused = run("--home", "rita", "checkpoint")
    assert refused.code == 2
    assert "0 of 2" in refused.err
    assert told("ana", "cosign")["word"] == "cosigns"
    again = told("ana", "cosign")
    assert (again["word"], again["counts"]) == ("cosigned", False)
    carry(told, "ana", "ben", "rita")
    assert told("rita", "state")["waiting"][0]["cosigned"] == [told("ana", "whoami")["device"]]
    assert told("ben", "cosign")["counts"]
    carry(told, "ben", "rita", "cem")
    for name in ("rita", "ben", "cem"):
        state = told(name, "state")
        assert (state["checkpoints"], state["final_epoch"], state["waiting"]) == (1, 1, [])
    assert told("cem", "cosign")["word"] == "idle"
    assert run("--home", "rita", "cosign").code == 2
    # People are told the same in words.
    assert "nothing is the matter" in run("--home", "ben", "doctor").out
    assert "duties           witness" in run("--home", "ben", "doctor").out


def test_a_sequencer_that_signed_two_halts_the_market_until_a_handover(
    market: Told, run: Run
) -> None:
    told = market
    for name in ("ana", "ben"):
        told(name, "cosign")
        carry(told, name, "rita", "ben")
    # Somebody copied the sequencer's home, and made the copy forget it: one index is signed twice.
    copy_home("rita", "twin")
    told("rita", "checkpoint")
    told("twin", "wallet", "send", "ana", "5")
    told("twin", "checkpoint")
    carry(told, "rita", "ana")
    assert told("ana", "cosign")["word"] == "cosigns"
    carry(told, "twin", "ben")
    assert told("ben", "cosign")["word"] == "cosigns"
    carry(told, "ben", "ana")
    state = told("ana", "state")
    assert state["halted"]
    assert "signed two checkpoints 2" in state["remarks"][0]
    assert "halted" in get_findings(told, "ana")
    carry(told, "ana", "cem")
    assert told("cem", "cosign")["word"] == "refuses"
    carry(told, "ana", "rita")
    done = run("--home", "rita", "checkpoint")
    assert (done.code, "the market is halted" in done.err) == (2, True)
    # Two witnesses stated rivals, and the third may have cosigned either: their word waits for it.
    proposal = told("ana", "handover", "propose", "--sequencer", told("cem", "whoami")["device"])
    assert not proposal["begun"]
    carry(told, "ana", "ben", "cem")
    assert not told("ben", "handover", "sign")["begun"]
    carry(told, "ben", "cem")
    assert told("cem", "handover", "sign", proposal["proposal"][:8])["begun"]
    carry(told, "cem", "ana", "ben", "rita")
    states = [told(name, "state") for name in ("rita", *WITNESSES)]
    assert {state["view"] for state in states} == {1}
    assert {state["root"] for state in states} == {states[0]["root"]}
    assert not states[0]["halted"]
    close_epoch(told, "cem", "ben", "ana")
    assert told("cem", "state")["checkpoints"] == 3


def test_a_stolen_sequencer_undoes_nothing(market: Told) -> None:
    told = market
    for name in ("ana", "ben"):
        told(name, "cosign")
        carry(told, name, "rita", "ben")
    told("rita", "wallet", "send", "ana", "7")
    close_epoch(told, "rita", "ana", "ben")
    copy_home("rita", "thief")
    key = Path("recovery").read_text()
    new = told("ben", "whoami")["device"]
    answer = told("cem", "handover", "show")
    assert (answer["view"], answer["proposals"]) == (0, [])
    carry(told, "rita", "cem")
    before = told("cem", "state")
    answer = told("cem", "handover", "--recovery-key", key, "--sequencer", new[:10])
    assert (answer["begun"], answer["sequencer"], answer["from_index"]) == (True, new, 2)
    # The thief goes on where it had the key: nobody follows.
    told("thief", "wallet", "send", "ben", "100")
    told("thief", "checkpoint")
    carry(told, "thief", "cem", "ana", "ben")
    assert told("ana", "cosign")["word"] == "cosigns"  # who has not heard of it yet
    carry(told, "cem", "ana", "ben", "rita")
    for name in ("cem", "ana", "ben", "rita"):
        state = told(name, "state")
        assert (state["view"], state["final_epoch"], state["sequencer"]) == (1, 2, new)
        assert state["final"] == before["final"]
    close_epoch(told, "ben", "ana", "cem")
    carry(told, "ben", "thief")
    assert told("thief", "state")["root"] == told("ben", "state")["root"]
    assert told("thief", "state")["view"] == 1


def test_who_may_not_hand_over_is_told_why(market: Told, run: Run) -> None:
    device = market("ana", "whoami")["device"]
    key = Path("recovery").read_text()
    for line, words in (
        (["handover"], "give --recovery-key and --sequencer"),
        (["handover", "--recovery-key", "12", "--sequencer", device], "64 hexadecimal digits"),
        (["handover", "--recovery-key", "0" * 64, "--sequencer", device], "not the recovery key"),
        (["handover", "--recovery-key", key, "--sequencer", "xyz"], "is no device"),
        (
            ["handover", "--recovery-key", key, "--sequencer", device, "--from", "0123456789"],
            "names 0 of the checkpoints",
        ),
        (["handover", "propose", "--sequencer", device], "no witness"),
        (["handover", "sign"], "no witness"),
    ):
        done = run("--home", "rita", *line)
        assert done.code == 2, line
        assert words in done.err
    assert run("--home", "ana", "handover", "sign").code == 2
    market("ana", "handover", "propose", "--sequencer", device)
    done = run("--home", "ana", "handover", "propose", "--sequencer", device)
    assert "gave its word for view 1 already" in done.err
    assert market("ana", "cosign")["word"] == "refuses"
    assert "handover-proposed" in get_findings(market, "ana")
    assert "0 of 2" not in run("--home", "ana", "handover", "show").out


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["--witness", "12"], "is no device"),
        (["--witness", "a" * 64, "--witness", "A" * 64], "named twice"),
        (["--sandbox", "--witness", "a" * 64], "a sandbox has no witnesses"),
        ([word for n in range(16) for word in ("--witness", f"{n:064x}")], "more than the 15"),
    ],
)
def test_witnesses_that_cannot_be_named(run: Run, line: list[str], words: str) -> None:
    done = run("--home", "rita", "init", *line)
    assert done.code == 2
    assert words in done.err
    assert not Path("rita/market.db").exists()


# -- real processes --------------------------------------------------------------------------


class Processes:
    """Nodes that run by themselves, each a process of its own, all ended with the test."""

    def __init__(self) -> None:
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, home: str, *line: str) -> None:
        self.running[home] = subprocess.Popen(
            [sys.executable, "-m", "synaptic_crdt.cli", "--home", home, *line],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self, home: str) -> None:
        process = self.running.pop(home)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for home in list(self.running):
            self.kill(home)


@pytest.fixture
def processes() -> Iterator[Processes]:
    running = Processes()
    yield running
    running.stop()


def find_address() -> str:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return f"tcp://127.0.0.1:{server.getsockname()[1]}"


def wait_for(told: Told, home: str, holds: Callable[[Json], bool]) -> Json:
    """Ask for a home's state until something holds of it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        state = told(home, "state")
        if holds(state):
            return state
        assert time.monotonic() < deadline, state


def test_nodes_cosign_by_themselves_and_replace_a_lost_sequencer(
    market: Told, run: Run, processes: Processes
) -> None:
    assert os.environ["SYNAPTIC_PASSPHRASE"] == ""
    told = market
    first, second = find_address(), find_address()
    processes.start("rita", "listen", first)
    for name in ("ana", "ben"):
        processes.start(name, "sync", "--live", first)
    wait_for(told, "rita", lambda state: state["final_epoch"] >= 1 and not state["pending"])
    told("rita", "wallet", "send", "ana", "9")
    for name in ("ana", "ben"):
        wait_for(told, name, lambda state: state["final_epoch"] >= 2 and not state["pending"])
    # The sequencer is lost without a word. Two of three witnesses go on without it.
    processes.kill("rita")
    for name in ("ana", "ben"):
        processes.kill(name)
    device = told("ana", "whoami")["device"]
    told("ana", "handover", "propose", "--sequencer", device)
    processes.start("ana", "listen", second)
    wait_for(told, "ana", lambda state: state["view"] == 0)
    while run("--home", "ben", "sync", second).code:
        assert processes.running["ana"].poll() is None
    assert told("ben", "handover", "sign")["begun"]
    processes.start("ben", "sync", "--live", second)
    told("ana", "wallet", "send", "rita", "4")
    state = wait_for(told, "ana", lambda state: state["view"] == 1 and not state["pending"])
    assert state["sequencer"] == device
    # The old one comes back, learns of it and follows.
    told("rita", "sync", second)
    mine, theirs = told("rita", "state"), told("ana", "state")
    assert (mine["view"], mine["root"]) == (1, theirs["root"])
    assert run("--home", "rita", "checkpoint").code == 2
