"""Links between real processes over every transport, and the words for what can go wrong."""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import Done, Json, copy_homes, tell

PROGRAM = [sys.executable, "-m", "synaptic_crdt.cli"]


def fill(told: Callable[..., Json]) -> None:
    told("rita", "init", "--name", "Test", "--account-name", "Rita")
    ticket = told("rita", "invite")["ticket"]
    told("paul", "join", ticket, "--account-name", "Paul")
    told("other", "init", "--name", "Other", "--account-name", "Olga")


@pytest.fixture
def homes(make_once: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two homes of one market that have not met, and one of another market."""
    copy_homes(make_once("linked", fill), tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SYNAPTIC_PASSPHRASE", "")
    return tmp_path


def run_process(*line: str) -> Done:
    done = subprocess.run(
        [*PROGRAM, *line], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


@contextmanager
def serving(home: str, *line: str) -> Generator[Json]:
    """Run a lasting command in a process of its own; yield its first event."""
    with subprocess.Popen(
        [*PROGRAM, "--home", home, "--json", *line], stderr=subprocess.PIPE, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        try:
            yield json.loads(process.stderr.readline())
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)


def make_command(home: str, *line: str) -> str:
    return "exec:" + shlex.join([*PROGRAM, "--home", home, *line])


def get_root(home: str) -> str:
    return tell(home, "state")["root"]


def test_two_homes_sync_through_a_pipe(homes: Path) -> None:
    address = make_command("rita", "sync", "stdio:")
    done = run_process("--home", "paul", "--json", "sync", address)
    assert done.code == 0, done
    assert done.json["equal"] is True
    assert get_root("rita") == get_root("paul") == done.json["root"]
    # A command that was typed is known here, and is dialled again when none is named.
    assert run_process("--home", "paul", "--json", "sync").json["equal"] is True
    assert homes


def test_a_pipe_leads_to_whatever_process_owns_the_home(homes: Path) -> None:
    with serving("rita", "listen", f"unix://{homes}/door"):
        address = make_command("rita", "sync", "stdio:")
        done = run_process("--home", "paul", "--json", "sync", address)
        assert done.code == 0, done
        assert done.json["equal"] is True
        # A checkpoint that the owner makes meanwhile changes the root, and no entry.
        assert tell("paul", "state")["heads"] == tell("rita", "state")["heads"]


def test_a_live_link_over_a_pipe_brings_news(homes: Path) -> None:
    address = make_command("rita", "sync", "--live", "stdio:")
    with serving("paul", "sync", "--live", address) as first:
        assert first["event"] == "linked"
        entry = tell("rita", "consent", "on")["entry"]
        while entry not in [told["entry"] for told in tell("paul", "log")["entries"]]:
            pass
    assert homes


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:0", "unix:door", "ws://127.0.0.1:0/here"])
def test_two_homes_sync_through_a_socket(homes: Path, address: str) -> None:
    address = address.replace("unix:door", f"unix://{homes}/door")
    with serving("rita", "listen", address) as event:
        assert event["event"] == "listening"
        address = event["address"]
        done = run_process("--home", "paul", "--json", "sync", address)
        assert done.code == 0, done
        linked = next(json.loads(line) for line in done.err.splitlines())
        assert linked["device"] == tell("rita", "whoami")["device"]
        # Who listens may hear of the end of a link a little later.
        while (link := tell("rita", "peers")["links"][0])["equal"] is None:
            continue
        assert (link["name"], link["equal"], link["received"]) == ("Paul", True, 1)
    assert tell("paul", "peers")["addresses"][0] == address
    assert tell("paul", "peers")["links"] == []
    assert not Path("door").exists()
    again = run_process("--home", "paul", "sync", address)
    assert again.code == 3
    assert "is the other end listening?" in again.err


def test_a_home_of_another_market_is_told_so(homes: Path) -> None:
    done = run_process("--home", "other", "sync", make_command("rita", "sync", "stdio:"))
    assert done.code == 3
    assert "join that market in a home of its own" in done.err
    assert homes


def test_who_is_no_member_is_told_so(homes: Path) -> None:
    """Rita has heard of nobody but Paul, who invited Xenia, who invited Ina."""
    sync("paul", "rita")
    tell("xenia", "join", tell("paul", "invite")["ticket"], "--account-name", "Xenia")
    sync("xenia", "paul")
    tell("ina", "join", tell("xenia", "invite")["ticket"], "--account-name", "Ina")
    done = run_process("--home", "ina", "sync", make_command("rita", "sync", "stdio:"))
    assert done.code == 3
    assert "does not know this device as a member" in done.err
    # What the command itself says is shown: here, whom it did not let in.
    assert tell("ina", "whoami")["device"][:16] in done.err
    sync("paul", "rita")
    sync("ina", "rita")
    assert homes


def sync(dialling: str, answering: str) -> None:
    line = ("--home", dialling, "sync", make_command(answering, "sync", "stdio:"))
    assert run_process(*line).code == 0


@pytest.mark.parametrize(
    ("address", "code", "words"),
    [
        ("exec:", 2, "is not an address of the form exec:COMMAND"),
        ("exec:'", 2, "No closing quotation"),
        ("exec:/no/such/program", 3, "cannot be run"),
        ("exec:false", 3, "closed the link before it had shown"),
        ("exec:echo hello and more, enough of it for a preface", 3, "speaks another protocol"),
        ("exec:sh -c 'echo lost >&2; exit 1'", 3, "lost"),
        ("unix://relative", 2, "is not an address of the form unix:///path"),
        ("unix:///no/such/socket", 3, "is the other end listening?"),
        ("carrier-pigeon:home", 2, "begins with none of tcp:, unix:, exec:, ws:, wss:"),
    ],
)
def test_words_for_what_goes_wrong(homes: Path, address: str, code: int, words: str) -> None:
    done = run_process("--home", "paul", "sync", address)
    assert (done.code, words in done.err) == (code, True), done
    assert homes


def test_a_terminal_is_no_end_of_a_link(homes: Path) -> None:
    ours, theirs = os.openpty()
    done = subprocess.run(
        [*PROGRAM, "--home", "paul", "sync", "stdio:"], stdin=theirs, stdout=theirs,
        stderr=subprocess.PIPE, text=True, check=False, timeout=60,
    )  # fmt: skip
    for descriptor in (ours, theirs):
        os.close(descriptor)
    assert done.returncode == 2
    assert "here is a terminal" in done.stderr
    assert homes


def test_a_link_that_others_start_is_not_listened_for(homes: Path) -> None:
    done = run_process("--home", "paul", "listen", "stdio:")
    assert (done.code, "begins with none of" in done.err) == (2, True)
    assert homes


def test_nothing_of_a_command_goes_on_when_the_link_ends(homes: Path) -> None:
    script = "sleep 300 & echo $! > pid; echo not the protocol that was expected; wait"
    done = run_process("--home", "paul", "sync", f"exec:sh -c {shlex.quote(script)}")
    assert done.code == 3
    pid = int(Path("pid").read_text("ascii"))
    assert not is_running(pid)
    assert homes


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z" and bool(os.getpgid(pid))
