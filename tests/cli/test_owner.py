"""Two terminals, one home: whoever comes second works through the first."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synaptic_crdt.cli.demo.peers import Peer
from synaptic_crdt.node.home import Home

Told = Callable[..., dict[str, Any]]
ANYWHERE = "tcp://127.0.0.1:0"


def test_a_second_terminal_reads_and_writes(told: Told, tmp_path: Path) -> None:
    founded = told("rita", "init", "--account-name", "rita")
    rita = Peer("rita", tmp_path / "rita")
    with rita.serving("listen", ANYWHERE, until="listening") as listening:
        assert listening["address"].startswith("tcp://127.0.0.1:")
        assert told("rita", "whoami")["account"] == founded["account"]
        ticket = told("rita", "invite", "--address", listening["address"])["ticket"]
        assert rita.run("log")["entries"][-1]["operation"] == "invite.issue"
        # The address is in the ticket.
        told("paul", "join", ticket, "--account-name", "paul")
        report = told("paul", "sync")
        assert (report["sent"], report["received"], report["equal"]) == (1, 3, True)
        assert report["rejected"] == 0
        assert report["root"] == told("rita", "state")["root"]
        assert told("rita", "wallet", "--account", "paul")["available"] == 0
    # The first is gone; what was written through it stays.
    assert told("rita", "log")["entries"] != []
    assert told("rita", "state")["entries"] == 4


def test_a_refusal_comes_through_the_owner_as_it_is(
    told: Told, run: Callable[..., Any], tmp_path: Path
) -> None:
    told("rita", "init", "--account-name", "rita", "--fund", "10")
    line = ("--home", "rita", "--json", "wallet", "send", "rita", "5")
    alone = run(*line)
    assert alone.code == 1
    with Peer("rita", tmp_path / "rita").serving("listen", ANYWHERE, until="listening"):
        through = run(*line)
    assert (through.code, through.error) == (alone.code, alone.error)


def test_work_beside_a_live_link(told: Told, tmp_path: Path) -> None:
    told("rita", "init", "--account-name", "rita")
    rita, paul = Peer("rita", tmp_path / "rita"), Peer("paul", tmp_path / "paul")
    with rita.serving("listen", ANYWHERE, until="listening") as listening:
        address = listening["address"]
        told("paul", "join", told("rita", "invite", "--address", address)["ticket"])
        told("paul", "sync")
        told("paul", "consent", "on")
        told("paul", "policy", "set", "--opt-in", "--kinds", "text.answer", "--approval", "auto")
        with paul.serving("sync", "--live", until="linked"):
            task = told(
                *("rita", "task", "post", "--kind", "text.answer", "--title", "t"),
                *("--text", "x", "--price", "5", "--allow-pending"),
            )["task"]
            told("rita", "checkpoint")
            with paul.serving("provide", "--executor", "rehearsal", until="delivered"):
                shown = rita.wait_for(
                    "a delivery",
                    ("task", "show", task),
                    lambda told: [row["status"] for row in told["assignments"]] == ["DELIVERED"],
                )
    assert shown["assignments"][0]["ask"] == 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_listener_reports_and_ends_with_130(
    told: Told, tmp_path: Path, number: signal.Signals
) -> None:
    told("rita", "init")
    program = [sys.executable, "-m", "synaptic_crdt.cli", "--home", str(tmp_path / "rita")]
    with subprocess.Popen(
        [*program, "listen", ANYWHERE],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "SYNAPTIC_PASSPHRASE": ""},
    ) as process:
        assert process.stderr is not None
        assert "listening" in process.stderr.readline()
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "sent" in out


def test_a_peer_that_is_not_there(told: Told, run: Callable[..., Any]) -> None:
    told("rita", "init")
    done = run("--home", "rita", "--json", "sync", "tcp://127.0.0.1:1")
    assert done.code == 3
    assert "127.0.0.1:1" in done.error["message"]


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1", "127.0.0.1:7700", "carrier://pigeon", "unix:relative"]
)
def test_addresses_that_cannot_be(told: Told, run: Callable[..., Any], address: str) -> None:
    told("rita", "init")
    for command in (["sync", address], ["listen", address]):
        done = run("--home", "rita", "--json", *command)
        assert done.code == 2, done
        assert address in done.error["message"]


@pytest.mark.parametrize(
    "line",
    [
        b"garbage\n",
        b'{"call":"read","name":"\xff","args":{}}\n',
        b'{"call":"read","name":"state","args":{"a":' + b"[" * 2_000 + b"]" * 2_000 + b"}}\n",
        b'{"call":"read","name":"wallet","args":{"account":5}}\n',
        b'{"call":"append","name":"treasury.pay","args":{"to":"rita","amount":1,"reference":"zz"}}\n',
        b'{"call":"append","name":"bundle.read","args":{"path":"a\\u0000b"}}\n',
        b'{"call":"start","name":"listen","args":{"addresses":null}}\n',
    ],
)
def test_no_request_ends_the_owner(told: Told, tmp_path: Path, line: bytes) -> None:
    told("rita", "init", "--account-name", "rita")
    with Peer("rita", tmp_path / "rita").serving("listen", ANYWHERE, until="listening"):
        with socket.socket(socket.AF_UNIX) as client, client.makefile("rb") as answers:
            client.connect(str(Home(tmp_path / "rita").get_socket_path()))
            client.sendall(line)
            assert answers.readline() == b'{"synaptic_crdt_owner":1}\n'
            assert b"result" not in answers.readline()
        assert told("rita", "state")["entries"] == 2


@pytest.mark.parametrize(("lent", "lends"), [(0, True), (1, True), (2, False)])
def test_only_the_pipes_that_are_spoken_of_are_lent(
    told: Told, tmp_path: Path, lent: int, *, lends: bool
) -> None:
    """Whatever else comes beside a request is closed, and the request is not answered."""
    request: dict[str, Any] = {"call": "read", "name": "state", "args": {}, "lends_pipes": lends}
    told("rita", "init", "--account-name", "rita")
    serving = Peer("rita", tmp_path / "rita").serving("listen", ANYWHERE, until="listening")
    with serving, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(Home(tmp_path / "rita").get_socket_path()))
        with client.makefile("rb") as answers:
            answers.readline()
            ours, theirs = os.pipe()
            socket.send_fds(client, [json.dumps(request).encode() + b"\n"], [theirs] * lent)
            os.close(theirs)
            assert answers.readline() == b""
        # The end of the pipe: nobody keeps the other one.
        assert os.read(ours, 1) == b""
        os.close(ours)


def test_a_home_whose_name_is_no_text(told: Told, tmp_path: Path) -> None:
    name = "\udcff"
    founded = told(name, "init")
    with Peer("rita", tmp_path / name).serving("listen", ANYWHERE, until="listening"):
        assert told(name, "whoami")["home"] == founded["home"]
        assert told(name, "state")["entries"] == 2


def test_a_file_whose_name_is_no_text(told: Told, run: Callable[..., Any], tmp_path: Path) -> None:
    told("rita", "init")
    line = ("--home", "rita", "bundle", "write", "\udcff.bundle")
    assert run(*line).code == 0
    with Peer("rita", tmp_path / "rita").serving("listen", ANYWHERE, until="listening"):
        done = run(*line)
    assert (done.code, "is not UTF-8" in done.err) == (2, True)
