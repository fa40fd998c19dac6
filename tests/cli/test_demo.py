"""The main job in one command, as a process of its own, judged by what it leaves behind."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from synaptic_crdt.cli.command import Settings
from synaptic_crdt.cli.demo.peers import Peer
from synaptic_crdt.cli.demo.stage import Stage
from synaptic_crdt.errors import AuditFailed

NAMES = ["rita", "ana", "ben", "olga"]
DEMO = [sys.executable, "-m", "synaptic_crdt.cli", "demo"]


def test_the_demo(tmp_path: Path) -> None:
    folder = tmp_path / "market"
    done = subprocess.run(
        [*DEMO, "--json", "--keep", str(folder)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert [peer["name"] for peer in told["peers"]] == NAMES
    assert {peer["root"] for peer in told["peers"]} == {told["root"]} == {told["audit"]["root"]}
    assert all(peer["conserved"] for peer in told["peers"])
    first, second = told["tasks"]
    assert (first["winner"], first["status"], first["paid"]) == ("ben", "SETTLED", 80)
    assert (second["winner"], second["standing"]) == ("ben", "final")
    assert "NO_FREE_SEAT" in second["why"]
    assert len(told["checks"]) >= 10
    assert all(check["holds"] for check in told["checks"])
    # What it left behind says the same when somebody else asks.
    for name in NAMES:
        assert Peer(name, folder / name).run("state")["root"] == told["root"]
    again = subprocess.run(
        [*DEMO, "--keep", str(folder)], capture_output=True, text=True, timeout=120, check=False
    )
    assert again.returncode == 2
    assert "is not empty" in again.stderr


def test_a_check_that_does_not_hold_fails_the_demo() -> None:
    with click.Context(click.Command("demo"), obj=Settings(as_json=True)):
        stage = Stage()
    stage.check("this is so", holds=True)
    with pytest.raises(AuditFailed, match="expected that this is not so"):
        stage.check("this is not so", holds=False)
    assert [check["holds"] for check in stage.checks] == [True, False]
    assert AuditFailed.exit_code == 4


def test_a_command_that_fails_fails_the_demo(
    told: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    told("rita", "init")
    with pytest.raises(AuditFailed, match=r"rita: `consent maybe` ended with exit code 2"):
        Peer("rita", tmp_path / "rita").run("consent", "maybe")
