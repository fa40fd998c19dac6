"""Proofs from an open home, checked with nothing but the file, a root and the market id."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from synaptic_crdt.errors import AuditFailed, Forged, MalformedInput, StoreFailed, UsageError
from synaptic_crdt.node.commands import run_command
from synaptic_crdt.node.founding import found_market
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.node import Node
from synaptic_crdt.node.proofs import check_proof
from synaptic_crdt.node.queries import run_query
from synaptic_crdt.node.wire import Json
from synaptic_crdt.state import limits
from synaptic_crdt.state.replica import Divergence
from tests.node.conftest import carry

NOBODY: Final = "07" * 32
Joiner = Callable[..., Node]


class Prover:
    """One home that proves to a file, and checks what the file says."""

    def __init__(self, node: Node, path: Path) -> None:
        self.node: Final = node
        self.path: Final = path

    def prove(self, about: str, subject: str, *, provisional: bool = False) -> Json:
        told = run_query(
            self.node,
            "audit.prove",
            {
                "about": about,
                "subject": subject,
                "path": str(self.path),
                "provisional": provisional,
            },
        )
        assert told["bytes"] == self.path.stat().st_size
        checked = self.check(told["root"])
        assert checked == {name: told[name] for name in checked}
        return told

    def check(self, root: str) -> Json:
        return check_proof(self.path, market=self.node.market.id.hex(), root=root)


@pytest.fixture
def prover(founder: Node, tmp_path: Path) -> Prover:
    return Prover(founder, tmp_path / "it.proof")


def post(node: Node) -> str:
    seats: list[dict[str, Any]] = [
        {"units": 1, "media_type": "text/plain", "base64": "aGVsbG8="} for _ in range(2)
    ]
    task = {"kind": "text.answer", "title": "Q", "price": 5, "priority_seconds": 0}
    arguments = task | {"seats": seats}
    return run_command(node, "task.post", arguments)["task"]


def test_a_balance_under_the_newest_checkpoint_and_under_all_that_is_held(
    prover: Prover, join: Joiner
) -> None:
    ana = join("ana", grant=0)
    founder = prover.node
    run_command(founder, "wallet.send", {"to": "ana", "amount": 9})
    checkpoint = founder.replica.chain.get(founder.replica.chain.index)
    assert checkpoint is not None
    told = prover.prove("balance", "ana")
    assert (told["proven"]["account"], told["proven"]["available"]) == (ana.account.hex(), 0)
    assert (told["root"], told["checkpoint"]) == (checkpoint.root.hex(), checkpoint.index)
    assert told["checkpoint_id"] == checkpoint.id.hex()
    told = prover.prove("balance", ana.account.hex()[:9], provisional=True)
    assert (told["proven"]["available"], told["checkpoint"]) == (9, None)
    assert told["root"] == founder.replica.root.hex()
    # The same closed state is proven whatever was added behind it.
    assert prover.prove("balance", "ana")["root"] == checkpoint.root.hex()


def test_tasks_and_assignments(prover: Prover, join: Joiner) -> None:
    ana, founder = join("ana"), prover.node
    run_command(ana, "consent", {"on": True})
    task = post(founder)
    assert prover.prove("task", task)["proven"]["exists"] is False
    proven = prover.prove("task", task[:12], provisional=True)["proven"]
    assert (proven["status"], len(proven["seats"])) == ("OPEN", 2)
    carry(founder, ana)
    accepted = run_command(ana, "task.accept", {"task": task})["assignment"]
    carry(ana, founder)
    run_command(founder, "checkpoint", {})
    assert prover.prove("task", task)["proven"]["seats"][0]["assignment"] == accepted
    proven = prover.prove("assignment", accepted[:12])["proven"]
    assert (proven["task"], proven["provider"]) == (task, ana.account.hex())
    carry(founder, ana)
    # Another replica proves the very same under the same checkpoint.
    told = prover.prove("task", task)
    written = prover.path.read_bytes()
    assert Prover(ana, prover.path).prove("task", task)["root"] == told["root"]
    assert prover.path.read_bytes() == written


def test_what_nobody_has(prover: Prover) -> None:
    assert prover.prove("balance", NOBODY)["proven"]["available"] == 0
    for about in ("task", "assignment"):
        assert prover.prove(about, NOBODY)["proven"] == {
            "about": about,
            about: NOBODY,
            "exists": False,
        }
        with pytest.raises(UsageError, match=f"none of the {about}s"):
            prover.prove(about, NOBODY[:10])
    with pytest.raises(UsageError, match="none of the entries"):
        prover.prove("entry", NOBODY)


def test_a_receipt(prover: Prover) -> None:
    founder = prover.node
    task = post(founder)
    with pytest.raises(UsageError, match="is pending"):
        prover.prove("entry", task, provisional=True)
    run_command(founder, "checkpoint", {})
    outcome = founder.replica.machine.get_outcome(bytes.fromhex(task))
    assert outcome is not None
    for provisional in (False, True):
        proven = prover.prove("entry", task[:12], provisional=provisional)["proven"]
        assert (proven["entry"], proven["device"]) == (task, founder.key.public.hex())
        assert (proven["position"], proven["verdict"]) == (outcome.entry.position, "APPLIED")
        assert (proven["operation"], proven["epoch"]) == ("task.post", outcome.epoch)


def test_nothing_is_proven_under_a_checkpoint_that_differs(prover: Prover) -> None:
    replica = prover.node.replica
    replica._divergences.append(Divergence(1, bytes(32), bytes([1]) * 32))
    with pytest.raises(AuditFailed, match="nothing can be proven under checkpoints"):
        prover.prove("balance", NOBODY)
    assert prover.prove("balance", NOBODY, provisional=True)["root"] == replica.root.hex()


def test_a_sandbox_has_no_checkpoint_to_prove_under(tmp_path: Path) -> None:
    home = Home(tmp_path / "sandbox")
    found_market(home, "", name="Sand", account_name="Sam", wall_ms=10**12, sandbox=True)
    node = Node.open(home, "")
    try:
        prover = Prover(node, tmp_path / "it.proof")
        with pytest.raises(UsageError, match="--provisional"):
            prover.prove("balance", "Sam")
        assert prover.prove("balance", "Sam", provisional=True)["epoch"] == 0
        assert prover.prove("balance", NOBODY, provisional=True)["proven"]["exists"] is False
    finally:
        node.close()


def test_files_that_prove_nothing(prover: Prover, tmp_path: Path) -> None:
    told = prover.prove("balance", NOBODY)
    market, root = told["market"], told["root"]
    with pytest.raises(Forged, match="leads to the root"):
        check_proof(prover.path, market=root, root=root)
    with pytest.raises(Forged, match="leads to the root"):
        check_proof(prover.path, market=market, root=market)
    for wrong in ("", "00", root[:-1] + "g", root + "00"):
        with pytest.raises(UsageError, match="64 digits"):
            check_proof(prover.path, market=market, root=wrong)
    prover.path.write_bytes(bytes(limits.PROOF_BYTES + 1))
    with pytest.raises(MalformedInput, match="limit"):
        check_proof(prover.path, market=market, root=root)
    with pytest.raises(UsageError, match="name a file"):
        check_proof(tmp_path / "missing", market=market, root=root)
    with pytest.raises(StoreFailed):
        Prover(prover.node, tmp_path / "nowhere" / "it.proof").prove("balance", NOBODY)
