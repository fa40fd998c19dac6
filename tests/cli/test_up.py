"""Everything in one process: `up` in one terminal, a task and its answer in another."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from synaptic_crdt.cli.demo.peers import Peer

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
    assert [seat["end"] for seat in answer["seats"]] == ["delivered"]
    assert "It begins: What is a CRDT?" in answer["results"][0]["text"]
    assert {"up", "listen", "links", "requests", "checkpoints"} <= {
        service["name"] for service in status["services"]
    }
    assert [service["error"] for service in status["services"]] == [""] * len(status["services"])
