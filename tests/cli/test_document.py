"""Documents on the command line: out, in, and audited; what was left out is said."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from automerge import core

Json = dict[str, Any]
Run = Callable[..., Any]
Told = Callable[..., Json]


@pytest.fixture
def market(told: Told) -> None:
    told("rita", "init", "--name", "Test", "--open")


@pytest.mark.usefixtures("market")
def test_a_market_leaves_and_is_audited(run: Run, told: Told) -> None:
    state = told("rita", "state")
    done = run("--home", "rita", "export", "market.automerge", "--heads", "heads.txt")
    assert done.code == 0
    assert state["heads"] in done.out
    heads = Path("heads.txt").read_text(encoding="ascii").splitlines()
    told("rita", "invite")
    for named in ("heads.txt", ",".join(heads)):
        assert told("rita", "audit", "--heads", named)["root"] == state["root"]
        assert (
            told("nobody", "audit", "market.automerge", "--heads", named)["heads"]
            == (state["heads"])
        )
    done = run("audit", "market.automerge", "--root", state["root"])
    assert done.code == 0
    assert state["root"] in done.out
    assert run("audit", "market.automerge", "--root", "00").code == 4
    assert run("--home", "rita", "audit", "--heads", "00" * 32).code == 4
    assert run("--home", "rita", "audit", "--heads", "nonsense").code == 2


@pytest.mark.usefixtures("market")
def test_what_others_put_into_a_file_is_said(run: Run) -> None:
    run("--home", "rita", "export", "market.automerge")
    path = Path("market.automerge")
    document = core.Document.load(path.read_bytes())
    with document.transaction() as writing:
        writing.put(core.ROOT, "spam", core.ScalarType.Str, "\x1b[2J")
    path.write_bytes(document.save())
    for line in (["--home", "rita", "import", "market.automerge"], ["audit", "market.automerge"]):
        done = run(*line)
        assert done.code == 0
        assert "1 changes were left out" in done.err


@pytest.mark.usefixtures("market")
def test_files_that_cannot_be_used_are_named(run: Run) -> None:
    Path("other").write_bytes(b"\x85oJ\x83 nothing")
    Path("binary").write_bytes(b"\xff")
    for line, code in (
        (["import", "other"], 4),
        (["import", "missing"], 2),
        (["audit", "other"], 4),
        (["audit", "--heads", "binary"], 2),
        (["export", "nowhere/market.automerge"], 4),
        (["export", "market.automerge", "--heads", "nowhere/heads"], 4),
    ):
        done = run("--home", "rita", *line)
        assert done.code == code, (line, done)
        assert line[-1] in done.err
