"""Running commands as a user would: one line in, an exit code and two streams out."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from synaptic_crdt.cli.main import main

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Done:
    """What a line left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Json:
        """The one document on standard output."""
        return json.loads(self.out)

    @property
    def error(self) -> Json:
        """The last line of standard error, which is JSON when it was asked for."""
        return json.loads(self.err.splitlines()[-1])


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a line in this process. Relative homes and files are in the test's own folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SYNAPTIC_PASSPHRASE", "")
    monkeypatch.delenv("SYNAPTIC_HOME", raising=False)

    def run_line(*line: str) -> Done:
        capsys.readouterr()
        code = main(line)
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return run_line


@pytest.fixture
def told(run: Run) -> Callable[..., Json]:
    """Run a line that has to succeed, as somebody; return its JSON."""

    def tell(home: str, *line: str) -> Json:
        done = run("--home", home, "--json", *line)
        assert done.code == 0, done
        return done.json

    return tell
