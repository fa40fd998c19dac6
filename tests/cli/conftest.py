"""Running commands as a user would: one line in, an exit code and two streams out."""

import json
import os
import shutil
import threading
from collections.abc import Callable, Generator
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Final

import pytest
import trio

from synaptic_crdt.cli.main import main
from synaptic_crdt.node.node import Node
from tests.exec.executors.vendor import Script, Vendor, serve_vendor

Json = dict[str, Any]

# A key as it stands in the environment of processes, and nowhere else.
CANARY: Final = "sk-ant-api03-" + "cAnArY7Qx2mZt9LrW4vKpE6sYnB8dHdJ3uGfA1o" * 2


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


def run_line(*line: str) -> Done:
    """Run a line in this process, with streams of its own."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(line)
    return Done(code, out.getvalue(), err.getvalue())


def tell(home: str, *line: str) -> Json:
    """Run a line that has to succeed, as somebody; return its JSON."""
    done = run_line("--home", home, "--json", *line)
    assert done.code == 0, done
    return done.json


def copy_homes(source: Path, target: Path) -> None:
    """Copy homes to where they are used from now on: each forgets where it was before."""
    shutil.copytree(source, target, dirs_exist_ok=True)
    for note in target.glob("*/place.json"):
        note.unlink()


def carry(told: Callable[..., Json], giver: str, *takers: str) -> None:
    """Bring all that one home holds to others, by a bundle."""
    told(giver, "bundle", "write", "stick")
    for taker in takers:
        told(taker, "bundle", "read", "stick")


def play_pair(told: Callable[..., Json]) -> None:
    """Rita founds a sandbox; Paul joins it and opts in."""
    told("rita", "init", "--sandbox", "--account-name", "rita")
    told("paul", "join", told("rita", "invite")["ticket"], "--account-name", "paul")
    carry(told, "rita", "paul")
    told("paul", "consent", "on")
    carry(told, "paul", "rita")


def copy_home(source: str, target: str) -> None:
    """Copy one home, as somebody does who means the copy to write: it forgets where it was."""
    shutil.copytree(source, target)
    Path(target, "place.json").unlink()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run lines in the test's own folder, which relative homes and files are in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SYNAPTIC_PASSPHRASE", "")
    monkeypatch.delenv("SYNAPTIC_HOME", raising=False)
    return run_line


@pytest.fixture
def told(run: Run) -> Callable[..., Json]:
    """Run lines that have to succeed in the test's own folder."""
    assert run
    return tell


def shift_clocks(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return what lets every clock of this process be ahead by so many more ms."""
    true_clock = Node.get_wall_ms
    waited = [0]

    def add(ms: int) -> None:
        waited[0] += ms

    def get_wall_ms(node: Node) -> int:
        return true_clock(node) + waited[0]

    monkeypatch.setattr(Node, "get_wall_ms", get_wall_ms)
    return add


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let time pass for every clock of this process, in ms."""
    return shift_clocks(monkeypatch)


@pytest.fixture(scope="session")
def make_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a folder that a function made, once for all tests: to be copied, not changed."""
    made: dict[str, Path] = {}

    def make(name: str, fill: Callable[[Callable[..., Json]], None]) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            with chdir(made[name]):
                fill(tell)
        return made[name]

    return make


@pytest.fixture
def pair(
    told: Callable[..., Json], tmp_path: Path, make_once: Callable[..., Path]
) -> Callable[..., Json]:
    """Rita's and Paul's homes, both up to date, Paul opted in."""
    copy_homes(make_once("pair", play_pair), tmp_path)
    return told


def find_canary(folder: Path) -> list[Path]:
    """Return the files that hold the key, or a good part of it."""
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and CANARY[13:33].encode() in path.read_bytes()
    ]


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Generator[Callable[..., Vendor]]:
    """Serve scripts on loopback, in a thread of its own, to whoever believes it is the vendor."""
    for name in list(os.environ):
        if name.startswith("ANTHROPIC_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("ANTHROPIC_LOG", "debug")
    ends: list[Callable[[], None]] = []

    def start(*scripts: Script) -> Vendor:
        started = threading.Event()
        served: list[Vendor] = []

        async def serve() -> None:
            async with serve_vendor(*scripts) as serving:
                scope = trio.CancelScope()
                token = trio.lowlevel.current_trio_token()
                served.append(serving)
                ends.append(lambda: token.run_sync_soon(scope.cancel))
                started.set()
                with scope:
                    await trio.sleep_forever()

        thread = threading.Thread(target=trio.run, args=(serve,))
        thread.start()
        started.wait()
        ends.append(thread.join)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", served[0].url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", CANARY)
        return served[0]

    yield start
    for end in ends:
        end()
