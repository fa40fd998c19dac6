"""Files and folders that homes share, by real processes; and three transports at once."""

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import Done, Json, copy_homes, run_line, tell

PROGRAM = [sys.executable, "-m", "synaptic_crdt.cli"]
NAMES = ("rita", "paul", "vera", "omar")


def fill(told: Callable[..., Json]) -> None:
    told("rita", "init", "--name", "Test", "--account-name", "Rita")
    for name in NAMES[1:]:
        told(name, "join", told("rita", "invite")["ticket"], "--account-name", name)
    told("open", "init", "--open", "--name", "Open", "--account-name", "Olga")


@pytest.fixture
def homes(make_once: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four homes of one market that have not met, and an open market; and a folder."""
    copy_homes(make_once("sharing", fill), tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SYNAPTIC_PASSPHRASE", "")
    (tmp_path / "shared").mkdir()
    return tmp_path


def start(home: str, *line: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*PROGRAM, "--home", home, "--json", *line], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(process: "subprocess.Popen[str]") -> Done:
    out, err = process.communicate(timeout=120)
    return Done(process.returncode, out, err)


def run(home: str, *line: str) -> Done:
    return run_line("--home", home, "--json", *line)


def get_roots(names: Sequence[str]) -> set[str]:
    return {tell(name, "state")["root"] for name in names}


def test_many_peers_write_to_one_folder_at_once(homes: Path) -> None:
    """All run at the same time, twice; whoever looks then has all there is."""
    address = f"dir://{homes}/shared"
    for turn in range(2):
        started = [start(name, "sync", address) for name in NAMES]
        assert [finish(process).code for process in started] == [0] * len(NAMES)
        if turn == 0:
            for name in NAMES:
                run(name, "sync", address)
                write(name, turn)
    # Rita closes an epoch when she has all of it.
    for name in (*NAMES, *NAMES):
        assert run(name, "sync", address).json["equal"] is True
    assert len(get_roots(NAMES)) == 1


def test_a_stick_goes_round(homes: Path) -> None:
    address = f"file://{homes}/stick.bundle"
    # Once to have all of it, once for the epoch that Rita closes then.
    for name in (*NAMES, *NAMES, *NAMES):
        done = run(name, "sync", address)
        assert (done.code, done.json["equal"]) == (0, True), done
    assert len(get_roots(NAMES)) == 1
    # Nobody who only carries it can read it, and the words say how one could.
    for line in (("bundle", "show"), ("bundle", "read"), ("audit",)):
        done = run("rita", *line, "stick.bundle")
        assert (done.code, "sync file://" in done.err) == (2, True), done
    done = run("open", "sync", address)
    assert (done.code, done.error["error"]) == (2, "NoReadKey")
    # What was synced with once is synced with again.
    assert run("paul", "sync").json["equal"] is True


def test_a_market_by_invitation_is_not_written_in_the_clear_unasked(homes: Path) -> None:
    address = f"dir://{homes}/shared"
    Path("paul/read-keys.json").unlink()
    done = run("paul", "sync", address)
    assert (done.code, "--in-the-clear" in done.err) == (2, True)
    assert not list(Path("shared").iterdir())
    assert run("paul", "sync", "--in-the-clear", address).code == 0
    [plain] = Path("shared").iterdir()
    assert plain.read_bytes().startswith(b"synaptic-crdt bundle\n")
    # Rita writes what only who has the key can read, and Paul is told so until he has it.
    assert run("rita", "sync", address).json["equal"] is True
    done = run("paul", "sync", "--in-the-clear", address)
    assert "which this home lacks" in done.err
    key = tell("rita", "read-key", "show")["read_keys"][0]["key"]
    assert tell("paul", "read-key", "take", key)["read_keys"][0]["key"] == key
    assert run("paul", "sync", address).json["equal"] is True
    assert get_roots(["rita"]) == get_roots(["paul"])


def test_an_open_market_has_nothing_to_hide(homes: Path) -> None:
    assert tell("open", "read-key", "show")["read_keys"] == []
    assert run("open", "sync", f"dir://{homes}/shared").code == 0
    [plain] = Path("shared").iterdir()
    assert plain.read_bytes().startswith(b"synaptic-crdt bundle\n")


def test_a_new_device_gets_the_key_and_a_renewed_one_is_written_by(homes: Path) -> None:
    request = tell("second", "device", "request")["request"]
    ticket = tell("rita", "device", "add", request)["ticket"]
    tell("second", "device", "join", ticket)
    keys = tell("rita", "read-key", "show")["read_keys"]
    assert tell("second", "read-key", "show")["read_keys"] == keys
    renewed = tell("rita", "read-key", "renew")["read_keys"]
    assert renewed[1:] == keys
    address = f"dir://{homes}/shared"
    assert run("rita", "sync", address).code == 0
    assert "which this home lacks" in run("second", "sync", address).err
    assert run("rita", "read-key", "take", "00").code == 2
    Path("rita/read-keys.json").write_text("[1]", "ascii")
    done = run("rita", "sync", address)
    assert (done.code, "read-key take" in done.err) == (4, True)


def test_nobody_listens_at_a_folder(homes: Path) -> None:
    done = run("rita", "listen", f"dir://{homes}/shared")
    assert (done.code, "sync --live" in done.err) == (2, True)


@contextmanager
def running(home: str, *line: str) -> Generator[Callable[[str], Json]]:
    """Run a lasting command; yield what waits for its next event of a kind."""
    process = start(home, *line)
    assert process.stderr is not None
    events = process.stderr

    def wait_for(kind: str) -> Json:
        while line := events.readline():
            event = json.loads(line)
            if event.get("event") == kind:
                return event
        raise AssertionError(f"{home} ended without {kind}")

    try:
        yield wait_for
    finally:
        # Without a word, as a crash would.
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)


def wait_until_same(names: Sequence[str], entry: str) -> None:
    """Wait until an entry is everywhere and all show one root. Each question is a process's work."""
    for name in names:
        while entry not in [row["entry"] for row in tell(name, "log")["entries"]]:
            pass
    while len(get_roots(names)) > 1:
        pass


def write(name: str, number: int) -> str:
    return tell(name, "account", "rename", f"{name} {number}")["entry"]


def test_three_processes_on_three_transports_converge_whoever_is_killed(homes: Path) -> None:
    """Rita listens on TCP; Paul dials her and is at a folder; Vera is at it and pipes to Omar."""
    listening = ["listen", "tcp://127.0.0.1:0"]
    folder = f"dir://{homes}/shared"
    pipe = "exec:" + shlex.join([*PROGRAM, "--home", "omar", "sync", "--live", "stdio:"])
    with ExitStack() as stack:
        lines: dict[str, list[str]] = {"rita": listening}
        waits: dict[str, ExitStack] = {}

        def launch(name: str) -> Callable[[str], Json]:
            own = waits[name] = stack.enter_context(ExitStack())
            return own.enter_context(running(name, *lines[name]))

        address = launch("rita")("listening")["address"]
        lines["rita"] = ["listen", address]
        lines["paul"] = ["sync", "--live", address, folder]
        lines["vera"] = ["sync", "--live", folder, pipe]
        for name in ("paul", "vera"):
            launch(name)("synced")
        names = ["rita", "paul", "vera", "omar"]
        for number, name in enumerate(names):
            wait_until_same(names, write(name, number))
        for number, killed in enumerate(("rita", "paul", "vera"), 10):
            waits[killed].close()
            # Whoever is gone writes all the same, and so does another one.
            own = write(killed, number)
            other = write("omar", number)
            launch(killed)("listening" if killed == "rita" else "synced")
            wait_until_same(names, own)
            wait_until_same(names, other)


@pytest.mark.parametrize(
    "wrapper",
    [
        ["sh", "-c", '"$@"', "sh"],
        ["env", "SYNAPTIC_HOME=rita"],
        ["sh", "-c", 'shift; exec sh -c "$*"', "ssh", "host"],
    ],
)
def test_any_program_that_gives_a_pipe_carries_a_link(homes: Path, wrapper: list[str]) -> None:
    assert homes
    command = [*PROGRAM, "--home", "rita", "sync", "stdio:"]
    done = finish(start("paul", "sync", "exec:" + shlex.join([*wrapper, *command])))
    assert (done.code, done.json["equal"]) == (0, True), done
    assert get_roots(["rita"]) == get_roots(["paul"])
