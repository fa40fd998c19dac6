"""Large payloads and results over links, between real processes."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from synaptic_crdt.cli.demo.peers import Peer
from tests.cli.conftest import Run
from tests.cli.test_tasks import POST

Told = Callable[..., dict[str, Any]]
ANYWHERE = "tcp://127.0.0.1:0"
MIB = 1024 * 1024

BOOK = "".join(f"{number:07d}\n" for number in range(MIB // 8))
# What the work is: to say everything backwards.
WORK = "import sys; sys.stdout.write(sys.stdin.read()[::-1])"


def test_a_private_mebibyte_goes_out_and_another_comes_back_over_a_live_link(
    told: Told, tmp_path: Path
) -> None:
    told("rita", "init", "--account-name", "rita")
    (tmp_path / "book.txt").write_text(BOOK, "utf-8")
    (tmp_path / "work.py").write_text(WORK, "utf-8")
    rita, paul = Peer("rita", tmp_path / "rita"), Peer("paul", tmp_path / "paul")
    with rita.serving("listen", ANYWHERE, until="listening") as listening:
        address = listening["address"]
        told("paul", "join", told("rita", "invite", "--address", address)["ticket"])
        told("paul", "sync")
        told("paul", "consent", "on")
        told("paul", "policy", "set", "--opt-in", "--kinds", "text.answer", "--approval", "auto")
        told("paul", "policy", "set", "--command", f"{sys.executable} {tmp_path}/work.py")
        with paul.serving("sync", "--live", until="linked"):
            task = told("rita", *POST, "--private", "--file", "book.txt", "--allow-pending")["task"]
            told("rita", "checkpoint")
            with paul.serving("provide", "--executor", "command", until="accepted"):
                shown = ("task", "show", task)
                rita.wait_for("an acceptance", shown, lambda told: is_at(told, "KEYWAIT"))
                rita.run("task", "reveal", task)
                rita.wait_for("a delivery", shown, lambda told: is_at(told, "DELIVERED"))
                rita.wait_for(
                    "the result", ("task", "result", task),
                    lambda told: [row["reach"] for row in told["results"]] == ["open"],
                )  # fmt: skip
    told("rita", "task", "result", task, "--output", "back.txt")
    assert (tmp_path / "back.txt").read_text("utf-8") == BOOK[::-1]
    # What travelled was ciphertext, and neither side keeps parts of it.
    for home in ("rita", "paul"):
        names = [path.name for path in (tmp_path / home / "blobs").iterdir()]
        assert len(names) == 2
        assert all(name.endswith(".blob") for name in names)
        assert not any(
            b"0000000\n0000001" in (tmp_path / home / "blobs" / n).read_bytes() for n in names
        )


def is_at(told: dict[str, Any], status: str) -> bool:
    return [row["status"] for row in told["assignments"]] == [status]


def test_a_newcomer_begins_at_a_checkpoint_over_a_link(
    told: Told, run: Run, tmp_path: Path
) -> None:
    told("rita", "init", "--account-name", "rita")
    for title in ("one", "two"):
        told(*("rita", "task", "post", "--kind", "text.answer", "--title", title),
             *("--text", "x", "--price", "5", "--allow-pending"))  # fmt: skip
        told("rita", "checkpoint")
    rita = Peer("rita", tmp_path / "rita")
    with rita.serving("listen", ANYWHERE, until="listening") as listening:
        ticket = told("rita", "invite", "--address", listening["address"])["ticket"]
        told("paul", "join", ticket, "--from-checkpoint")
        assert not (tmp_path / "paul" / "incoming").exists()
        begun = told("paul", "state")
        assert begun["epoch"] >= 3
        assert told("paul", "sync")["equal"] is True
        assert told("paul", "task", "list")["tasks"] == told("rita", "task", "list")["tasks"]
    # Nobody listens any more.
    failed = run("--home", "pia", "--json", "join", ticket, "--from-checkpoint")
    assert failed.code == 3
    assert not (tmp_path / "pia" / "market.db").exists()
    nowhere = told("rita", "invite")["ticket"]
    failed = run("--home", "pia", "--json", "join", nowhere, "--from-checkpoint")
    assert failed.code == 2
    assert "--state" in failed.error["message"]


def test_others_get_what_is_public_by_name_and_what_is_private_not_at_all(
    told: Told, run: Run, tmp_path: Path
) -> None:
    told("rita", "init", "--account-name", "rita")
    (tmp_path / "book.txt").write_text(BOOK, "utf-8")
    for privacy in ((), ("--private",)):
        told("rita", *POST, *privacy, "--file", "book.txt", "--allow-pending")
    told("rita", "checkpoint")
    with Peer("rita", tmp_path / "rita").serving("listen", ANYWHERE, until="listening") as door:
        told("zoe", "join", told("rita", "invite", "--address", door["address"])["ticket"])
        told("zoe", "sync")
        public, private = told("zoe", "blob", "list")["blobs"]
        assert not public["here"]
        got = told("zoe", "blob", "get", public["hash"][:12])
        assert (got["blob"], got["size"]) == (public["hash"], len(BOOK))
        # What is here is not fetched again.
        assert told("zoe", "blob", "get", public["hash"])["blob"] == public["hash"]
        shown = run("--home", "zoe", "blob", "get", public["hash"], door["address"])
        assert f"blob {public['hash'][:12]} is here, 1,048,576 bytes" in shown.out
        refused = run("--home", "zoe", "--json", "blob", "get", private["hash"])
        assert refused.code == 2
        assert "none of 1 addresses gave" in refused.error["message"]
        assert run("--home", "zoe", "blob", "get", "ffff").code == 2
    gone = run("--home", "zoe", "blob", "get", private["hash"])
    assert door["address"] in gone.err
    assert [row["here"] for row in told("zoe", "blob", "list")["blobs"]] == [True, False]
    assert told("zoe", "task", "payload", public["task"])["text"] == BOOK
