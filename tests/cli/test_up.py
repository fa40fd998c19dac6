"""Everything in one process: `up` in one terminal, a task and its answer in another."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from synaptic_crdt.cli.demo.peers import Peer
from synaptic_crdt.node.home import Home
from tests.cli.conftest import CANARY, Run, find_canary
from tests.exec.executors.vendor import Vendor, compose_answer, stream_events

Json = dict[str, Any]
Told = Callable[..., Json]

ANYWHERE = "tcp://127.0.0.1:0"
POLICY = ("--opt-in", "--kinds", "text.answer", "--approval", "auto")
ASK = ("task", "post", "--kind", "text.answer", "--title", "A question", "--price", "50")
WAIT = ("--text", "What is a CRDT?", "--allow-pending", "--priority", "0s", "--wait")


@contextmanager
def joined(told: Told, folder: Path) -> Generator[tuple[Peer, Peer, str]]:
    """Rita is up and lets others in; Paul has joined, opted in, and knows where she is."""
    told("rita", "init", "--account-name", "rita")
    rita, paul = Peer("rita", folder / "rita"), Peer("paul", folder / "paul")
    with rita.serving("up", "--listen", ANYWHERE, until="listening") as listening:
        address = listening["address"]
        ticket = told("rita", "invite", "--address", address)["ticket"]
        told("paul", "join", ticket, "--account-name", "paul")
        told("paul", "sync")
        told("paul", "consent", "on")
        told("paul", "policy", "set", *POLICY)
        yield rita, paul, address


def test_two_terminals_and_an_answer(told: Told, tmp_path: Path) -> None:
    with joined(told, tmp_path) as (rita, paul, _):
        told("rita", "policy", "set", "--approve-up-to", "50")
        with paul.serving("up", "--provide", "rehearsal", until="linked"):
            answer = rita.run(*ASK, *WAIT)
            status = rita.run("status")
            # Within what her policy approves unseen.
            settled = rita.wait_for(
                "an approval by policy",
                ("task", "show", answer["task"]),
                lambda told: told["assignments"][0]["status"] == "SETTLED",
            )
    assert settled["assignments"][0]["reason"] == "approved"
    assert settled["assignments"][0]["paid"] == 50
    assert [seat["end"] for seat in answer["seats"]] == ["delivered"]
    assert "It begins: What is a CRDT?" in answer["results"][0]["text"]
    assert {"up", "listen", "links", "requests", "checkpoints"} <= {
        service["name"] for service in status["services"]
    }
    assert [service["error"] for service in status["services"]] == [""] * len(status["services"])


@pytest.mark.parametrize("is_private", [False, True], ids=["public", "private"])
def test_a_program_of_three_lines_answers(told: Told, tmp_path: Path, *, is_private: bool) -> None:
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\nread question\necho "$question" | tr a-z A-Z\n')
    program.chmod(0o755)
    with joined(told, tmp_path) as (rita, paul, _):
        told("paul", "policy", "set", "--command", str(program))
        with paul.serving("up", "--provide", "command", until="linked"):
            answer = rita.run(*ASK, *WAIT, *(["--private"] if is_private else []))
        shown = told("rita", "task", "show", answer["task"])
    assert answer["results"][0]["text"] == "WHAT IS A CRDT?\n"
    # Nobody was asked to, and no policy said so.
    assert shown["assignments"][0]["status"] == "DELIVERED"


class Recorder:
    """Stands between two ends of a link, and keeps every byte that passes."""

    def __init__(self, address: str) -> None:
        host, _, port = address.removeprefix("tcp://").rpartition(":")
        self._target = host, int(port)
        self._door = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._door.getsockname()[1]}"
        self.passed = bytearray()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            near, _ = self._door.accept()
            far = socket.create_connection(self._target)
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65_536):
                self.passed += data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            target.close()


def ask_owner(home: Path, query: str) -> bytes:
    """Return every byte that the owner of a home says to a query."""
    request: Json = {"call": "read", "name": query, "args": {}}
    with socket.socket(socket.AF_UNIX) as client, client.makefile("rb") as answers:
        client.connect(str(Home(home).get_socket_path()))
        client.sendall(json.dumps(request).encode() + b"\n")
        return answers.readline() + answers.readline()


def test_a_model_answers_and_the_key_in_every_environment_is_nowhere(
    told: Told, tmp_path: Path, vendor: Callable[..., Vendor]
) -> None:
    serving = vendor(stream_events(compose_answer("It ", "merges.")))
    with joined(told, tmp_path) as (rita, paul, address):
        wire = Recorder(address)
        (tmp_path / "paul" / "peers.json").write_text(json.dumps([wire.address]))
        with paul.serving("up", "--provide", "anthropic", until="linked"):
            answer = rita.run(*ASK, *WAIT)
            said = b"".join(
                ask_owner(tmp_path / name, query)
                for name in ("rita", "paul")
                for query in ("status", "log", "state", "doctor", "peers")
            )
        told("rita", "bundle", "write", "everything")
    (asked,) = serving.asked
    assert CANARY in str(asked.headers)
    assert answer["results"][0]["text"] == "It merges."
    part = CANARY[13:33]
    assert part not in json.dumps(answer) + json.dumps(asked.body)
    assert b"result" in said
    assert part.encode() not in said
    assert len(wire.passed) > 1_000
    assert part.encode() not in wire.passed
    assert (tmp_path / "paul" / "up.log").stat().st_size
    assert (tmp_path / "everything").stat().st_size
    assert find_canary(tmp_path) == []


# -- waiting, and what else may come of a task -------------------------------------------------


def start(home: Path, *line: str) -> subprocess.Popen[str]:
    program = [sys.executable, "-m", "synaptic_crdt.cli", "--home", str(home), "--json"]
    return subprocess.Popen(
        [*program, *line],
        env={**os.environ, "SYNAPTIC_PASSPHRASE": ""},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_event(process: subprocess.Popen[str], name: str) -> Json:
    assert process.stderr is not None
    for line in process.stderr:
        event = json.loads(line)
        if event.get("event") == name:
            return event
    raise AssertionError(name)


@pytest.fixture
def asking(told: Told, tmp_path: Path) -> Generator[tuple[subprocess.Popen[str], str]]:
    """Rita, alone in her market, waits for an answer; her process and her task."""
    told("rita", "init", "--account-name", "rita")
    with start(tmp_path / "rita", *ASK, *WAIT) as process:
        try:
            task = read_event(process, "posted")["task"]
            read_event(process, "seat")
            yield process, task
        finally:
            process.kill()


def test_a_task_that_ends_without_a_result_is_told_and_has_its_own_exit_code(
    asking: tuple[subprocess.Popen[str], str], told: Told, run: Run
) -> None:
    process, task = asking
    told("rita", "task", "cancel", task)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 6
    report = json.loads(out)
    assert (report["task"], report["status"]) == (task, "CANCELLED")
    (seat,) = report["seats"]
    assert (seat["end"], seat["state"]) == ("ended", "CLOSED")
    assert "the requester cancelled" in seat["explanation"]
    again = run("--home", "rita", "task", "wait", task[:12])
    assert again.code == 6
    assert "seat 0: the requester cancelled" in again.out


def test_an_interrupted_wait_leaves_the_task_and_says_how_to_go_on(
    asking: tuple[subprocess.Popen[str], str], told: Told
) -> None:
    process, task = asking
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "the task stays posted" in err
    assert told("rita", "task", "show", task)["status"] == "OPEN"


def test_a_waiting_command_goes_on_when_the_owner_is_killed(told: Told, tmp_path: Path) -> None:
    told("rita", "init", "--account-name", "rita")
    home = tmp_path / "rita"
    rita = Peer("rita", home)
    with start(home, "listen", ANYWHERE) as owner:
        read_event(owner, "listening")
        with start(home, "listen", ANYWHERE) as second, start(home, "up") as third:
            read_event(second, "listening")
            read_event(third, "up")
            owner.kill()
            # One of the two owns the home from here on, the other goes on through it.
            read_event(second, "listening")
            read_event(third, "up")
            names = {"listen", "up", "links", "requests", "checkpoints"}
            rita.wait_for(
                "both to run again",
                ("status",),
                lambda told: names <= {service["name"] for service in told["services"]},
            )
            for process in (second, third):
                process.send_signal(signal.SIGTERM)
            for process in (second, third):
                process.communicate(timeout=60)
    assert told("rita", "status")["services"] == []


def test_a_second_worker_on_one_home_is_refused(told: Told, run: Run, tmp_path: Path) -> None:
    told("rita", "init", "--account-name", "rita")
    with Peer("rita", tmp_path / "rita").serving("up", "--provide", "rehearsal", until="idle"):
        done = run("--home", "rita", "--json", "up")
        told("rita", "policy", "pause", "--now")
        status = told("rita", "status")
    assert done.code == 2
    assert "`up` runs on this home already" in done.error["message"]
    assert status["policy"]["switch"] == "stop"
    assert "policy resume" in status["policy"]["idle"]


@pytest.mark.parametrize("line", [("--listen", "carrier://pigeon"), ("--peer", "tcp://nowhere")])
def test_an_address_that_is_none_ends_up_at_its_beginning(
    told: Told, run: Run, line: tuple[str, str]
) -> None:
    told("rita", "init")
    done = run("--home", "rita", "--json", "up", *line)
    assert done.code == 2, done
    assert line[1] in done.error["message"]


def test_status_needs_nobody_who_runs(told: Told, run: Run) -> None:
    told("rita", "init", "--account-name", "rita", "--fund", "10")
    shown = run("--home", "rita", "status")
    assert shown.code == 0
    assert "nothing runs on this home" in shown.out
    assert "next: synaptic-crdt --home rita up" in shown.err
