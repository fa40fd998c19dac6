"""Real programs under a real supervisor: what they do, and what is left of them afterwards."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import trio
import trio.testing

from synaptic_crdt.errors import StoreFailed
from synaptic_crdt.exec.executors.base import Failure, Limits, Result
from synaptic_crdt.exec.executors.command import CommandExecutor, Program
from synaptic_crdt.exec.executors.workplace import Workplace, empty
from tests.exec.executors.conftest import Heard, make_job

pytestmark = pytest.mark.anyio

SECRET: Final = "sk-ant-" + "api03-Qx7mZt2LrW9vKpE4sYnB8cHdJ6uGfA1oTiV5" * 2

Make = Callable[..., CommandExecutor]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make an executor whose program is a few lines of Python."""

    def making(lines: str, **changes: object) -> CommandExecutor:
        program = Program(
            arguments=(sys.executable, "-I", "-c", lines), takes=("text/plain",), gives="text/plain"
        )
        program = msgspec.structs.replace(program, **changes)
        return CommandExecutor(program, Workplace(tmp_path / "work"))

    return making


async def run(executor: CommandExecutor, *payload: bytes, **changes: object) -> Result | Failure:
    return await executor.run(make_job(*payload, **changes), Heard())


def find_marked(mark: str) -> list[int]:
    """Return the living processes that have a word on their line."""
    found: list[int] = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            line = (place / "cmdline").read_bytes()
            state = (place / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if mark.encode() in line and state != "Z" and int(place.name) != os.getpid():
            found.append(int(place.name))
    return found


@pytest.fixture
def mark(tmp_path: Path) -> str:
    """A word that is on the line of no other test's process."""
    return f"marked-{tmp_path.name}-{os.getpid()}"


# -- what it does ----------------------------------------------------------------------------


async def test_the_payload_goes_in_and_the_result_comes_out(make: Make, tmp_path: Path) -> None:
    executor = make("import sys; sys.stdout.write(sys.stdin.read().upper())")
    assert await run(executor, b"count the vowels") == Result("text/plain", b"COUNT THE VOWELS")
    assert list((tmp_path / "work").iterdir()) == []


async def test_a_large_payload_and_a_large_result_pass(make: Make) -> None:
    payload = os.urandom(3_000_000)
    executor = make(
        "import sys, shutil; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)",
        gives="application/octet-stream",
    )
    limits = Limits(result_bytes=len(payload))
    assert await run(executor, payload, limits=limits) == Result(
        "application/octet-stream", payload
    )


async def test_a_program_need_not_read_its_payload(make: Make) -> None:
    assert await run(make("print('done')"), b"x" * 3_000_000) == Result("text/plain", b"done\n")


async def test_it_works_in_a_fresh_private_directory(make: Make, tmp_path: Path) -> None:
    executor = make(
        "import os; print(os.getcwd(), oct(os.stat('.').st_mode & 0o777), os.listdir('.'));"
        "open('left', 'w').write('x'); print(oct(os.stat('left').st_mode & 0o777))"
    )
    first, second = [await run(executor) for _ in range(2)]
    assert isinstance(first, Result)
    assert isinstance(second, Result)
    place, mode, listed, left = first.data.decode().split()
    assert Path(place).parent == tmp_path / "work"
    assert (mode, listed, left) == ("0o700", "[]", "0o600")
    assert second.data.decode().split()[0] != place
    assert list((tmp_path / "work").iterdir()) == []


async def test_it_sees_no_environment_but_what_it_is_given(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "canary")
    monkeypatch.setenv("MINE", "passed on")
    lines = "import os, json; print(json.dumps(dict(os.environ)))"
    executor = make(lines, passes=("MINE", "NOT_THERE"), gives="application/json")
    outcome = await run(executor, title="() { :;}; \x1b[2Jboo", criteria="short")
    assert isinstance(outcome, Result)
    seen: dict[str, str] = msgspec.json.decode(outcome.data)
    seen.pop("LC_CTYPE", None)  # Python's own
    assert set(seen) == {
        *("PATH", "LANG", "HOME", "TMPDIR", "MINE"),
        *("TASK_KIND", "TASK_TITLE", "TASK_CRITERIA", "TASK_UNITS", "TASK_MEDIA_TYPE"),
    }
    assert seen["MINE"] == "passed on"
    assert seen["TASK_TITLE"] == "() { :;};  [2Jboo"
    assert seen["TASK_UNITS"] == "3"


async def test_there_is_no_shell(make: Make, tmp_path: Path) -> None:
    arguments = (
        sys.executable,
        "-c",
        "import sys; print(sys.argv[1])",
        f"$(touch {tmp_path}/no); *",
    )
    outcome = await run(make("", arguments=arguments))
    assert outcome == Result("text/plain", f"$(touch {tmp_path}/no); *\n".encode())
    assert not (tmp_path / "no").exists()


async def test_it_holds_nothing_of_the_worker_open(make: Make) -> None:
    with trio.socket.socket() as ours:
        assert ours.fileno() > 2
        executor = make("import os; print(sorted(map(int, os.listdir('/proc/self/fd')))[:3])")
        lines = "import os; fds = os.listdir('/proc/self/fd'); print(len(fds))"
        assert await run(executor) == Result("text/plain", b"[0, 1, 2]\n")
        # The fourth is the one with which it looks.
        assert await run(make(lines)) == Result("text/plain", b"4\n")


def test_it_takes_what_its_owner_says(make: Make) -> None:
    executor = make("", takes=("audio/wav", "text/plain"))
    assert executor.name == "command"
    assert executor.skills.covers("any.kind", "audio/wav")
    assert not executor.skills.covers("any.kind", "image/png")
    assert not executor.skills.is_metered


# -- what is no result -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "reason", "detail"),
    [
        ("", "result-empty", "said nothing"),
        ("print()", "result-empty", "said nothing"),
        ("print('half'); raise SystemExit(3)", "executor-error", "status 3"),
        ("import sys; sys.exit('no credit')", "executor-error", "status 1: no credit"),
        ("import os; print('x', flush=True); os.kill(os.getpid(), 9)", "executor-error", "SIGKILL"),
        ("import os; os.write(1, b'\\xff\\xfe')", "result-unusable", "not UTF-8"),
        ("print('x' * 20_000)", "result-too-large", "over 10000 bytes"),
        ("while True: print('x' * 10_000)", "result-too-large", "over 10000 bytes"),
    ],
)
async def test_what_is_no_result_is_a_failure(
    make: Make, lines: str, reason: str, detail: str
) -> None:
    outcome = await run(make(lines))
    assert isinstance(outcome, Failure)
    assert outcome.reason == reason
    assert detail in outcome.detail
    assert not outcome.is_lasting


@pytest.mark.parametrize(
    ("gives", "written"),
    [("application/json", "{"), ("image/png", "an error, as text"), ("application/pdf", "no")],
)
async def test_a_result_of_another_type_is_a_failure(make: Make, gives: str, written: str) -> None:
    outcome = await run(make(f"print({written!r})", gives=gives))
    assert isinstance(outcome, Failure)
    assert outcome.reason == "result-unusable"


@pytest.mark.parametrize("program", ["/nowhere/at-all", "/etc/passwd", "/"])
async def test_a_program_that_cannot_be_run_is_a_lasting_failure(make: Make, program: str) -> None:
    outcome = await run(make("", arguments=(program,)))
    assert isinstance(outcome, Failure)
    assert outcome.is_lasting
    assert "cannot be run" in outcome.detail


async def test_its_errors_are_short_clean_and_never_in_the_result(make: Make) -> None:
    lines = "import sys; sys.stderr.write('x' * 500_000 + '\\x1b[2J the end'); print('{}')"
    assert await run(make(f"{lines.format('fine')}")) == Result("text/plain", b"fine\n")
    outcome = await run(make(f"{lines.format('half')}; sys.exit(1)"))
    assert isinstance(outcome, Failure)
    assert outcome.detail.endswith(" [2J the end")
    assert outcome.detail.isprintable()
    assert len(outcome.detail) < 400


async def test_a_secret_in_its_errors_is_not_shown(make: Make) -> None:
    outcome = await run(make(f"import sys; sys.exit('bad key {SECRET}')"))
    assert isinstance(outcome, Failure)
    assert SECRET not in outcome.detail
    assert "not shown" in outcome.detail


# -- limits ----------------------------------------------------------------------------------

FOREVER: Final = "import time; time.sleep(10_000)"
MANY: Final = """
import subprocess, sys
each = [sys.executable, '-c', 'x = b"x" * 60_000_000; input()']
[subprocess.Popen(each, stdin=subprocess.PIPE) for _ in range(4)][0].wait()
"""


@pytest.mark.parametrize(
    ("lines", "changes", "detail"),
    [
        ("while True: pass", {"cpu_seconds": 1}, "SIGXCPU, its limit of CPU time"),
        ("x = bytearray(10**9)", {"memory_mib": 256}, "MemoryError"),
        (
            MANY,
            {"memory_mib": 150},
            "limit of memory",
        ),
        ("open('x', 'wb').write(bytes(9 * 2**20))", {"disk_mib": 8}, "status 1"),
        (
            "for i in range(20): open(str(i), 'wb').write(b'x' * 2**20)\n" + FOREVER,
            {"disk_mib": 8},
            "limit of disk",
        ),
        (
            "import subprocess\n"
            "for _ in range(30): subprocess.Popen(['sleep', '10000'])\n" + FOREVER,
            {"processes": 8},
            "limit of processes",
        ),
    ],
    ids=["cpu", "memory-of-one", "memory-of-all", "file", "files", "processes"],
)
async def test_what_goes_over_a_limit_fails(
    make: Make, lines: str, changes: dict[str, Any], detail: str
) -> None:
    outcome = await run(make(lines, **changes))
    assert isinstance(outcome, Failure)
    assert outcome.reason == "executor-error"
    # Where the kernel counts processes, too, the program fails to make them.
    assert detail in outcome.detail or (detail.endswith("processes") and "status" in outcome.detail)


# -- nothing is left -------------------------------------------------------------------------

LEAVES_BEHIND: Final = """
import os, subprocess, sys, time
mark = {mark!r}
stay = [sys.executable, '-c', 'import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(10_000)', mark]
subprocess.Popen(stay)
subprocess.Popen(stay, start_new_session=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(stay[0], stay)
    os._exit(0)
os.wait()
"""


async def test_nothing_that_it_started_outlives_it(make: Make, mark: str) -> None:
    outcome = await run(make(LEAVES_BEHIND.format(mark=mark) + "print('done')"))
    assert outcome == Result("text/plain", b"done\n")
    assert find_marked(mark) == []


async def cancel_when_told(executor: CommandExecutor, fifo: Path) -> None:
    """Cancel a run once its program has written to a pipe."""
    os.mkfifo(fifo)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(executor.run, make_job(), Heard())
        await trio.to_thread.run_sync(fifo.read_bytes)
        nursery.cancel_scope.cancel()


async def test_a_cancelled_run_leaves_nothing(make: Make, mark: str, tmp_path: Path) -> None:
    lines = LEAVES_BEHIND.format(mark=mark) + f"open({str(tmp_path / 'fifo')!r}, 'w').close()\n"
    await cancel_when_told(make(lines + FOREVER), tmp_path / "fifo")
    assert find_marked(mark) == []
    assert list((tmp_path / "work").iterdir()) == []


async def test_a_program_that_ignores_signals_is_ended_all_the_same(
    make: Make, tmp_path: Path
) -> None:
    ignoring = "import signal\nfor number in (1, 2, 3, 15): signal.signal(number, signal.SIG_IGN)\n"
    telling = f"open({str(tmp_path / 'fifo')!r}, 'w').close()\n"
    await cancel_when_told(make(ignoring + telling + FOREVER), tmp_path / "fifo")
    assert list((tmp_path / "work").iterdir()) == []


async def test_a_killed_supervisor_takes_the_session_with_it(
    make: Make, mark: str, clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    assert clock
    fifo = tmp_path / "end"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    lines = (
        "import os, subprocess, sys, time\n"
        # Held open by all that is left, so its end is theirs: what is killed takes a moment to go.
        f"end = os.open({str(fifo)!r}, os.O_WRONLY)\n"
        "os.set_inheritable(end, True)\n"
        f"stay = [sys.executable, '-c', 'import time; time.sleep(10_000)', {mark!r}]\n"
        "subprocess.Popen(stay, close_fds=False)\n"
        "os.kill(os.getppid(), 9)\n"
    )
    outcome = await run(make(lines + FOREVER))
    assert isinstance(outcome, Failure)
    assert "supervisor was killed" in outcome.detail
    os.set_blocking(reader, True)
    assert await trio.to_thread.run_sync(os.read, reader, 1) == b""
    os.close(reader)
    assert find_marked(mark) == []


WORKER: Final = """
import sys, trio
from pathlib import Path
from synaptic_crdt.exec.executors.command import CommandExecutor, Program
from synaptic_crdt.exec.executors.workplace import Workplace
from tests.exec.executors.conftest import Heard, make_job
arguments = (sys.executable, "-I", "-c", sys.argv[1])
program = Program(arguments=arguments, takes=("text/plain",), gives="text/plain")
trio.run(CommandExecutor(program, Workplace(Path(sys.argv[2]))).run, make_job(), Heard())
"""


def test_a_killed_worker_leaves_nothing(mark: str, tmp_path: Path) -> None:
    fifo, end = tmp_path / "fifo", tmp_path / "end"
    os.mkfifo(fifo)
    os.mkfifo(end)
    lines = LEAVES_BEHIND.format(mark=mark) + (
        # Held open by all that is left, so its end is theirs.
        f"os.set_inheritable(os.open({str(end)!r}, os.O_WRONLY), True)\n"
        "subprocess.Popen(stay, start_new_session=True, close_fds=False)\n"
        f"open({str(fifo)!r}, 'w').close()\n" + FOREVER
    )
    worker = subprocess.Popen([sys.executable, "-c", WORKER, lines, str(tmp_path / "work")])
    with end.open("rb") as held:
        fifo.read_bytes()
        worker.kill()
        worker.wait()
        assert held.read() == b""
    # What it left on the disk goes when the place is opened again.
    assert len(list((tmp_path / "work").iterdir())) == 1
    Workplace(tmp_path / "work")
    assert list((tmp_path / "work").iterdir()) == []


# -- directories -----------------------------------------------------------------------------


async def test_a_tree_that_resists_is_removed(make: Make, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("keep")
    lines = (
        "import os\n"
        f"os.symlink({str(tmp_path / 'precious')!r}, 'link')\n"
        "os.mkdir('closed'); open('closed/x', 'w').close(); os.chmod('closed', 0)\n"
        "for _ in range(1_000): os.mkdir('deep' * 20); os.chdir('deep' * 20)\n"
        "os.symlink('/', 'root')\n"
        "print('made')\n"
    )
    assert await run(make(lines)) == Result("text/plain", b"made\n")
    assert list((tmp_path / "work").iterdir()) == []
    assert (tmp_path / "precious" / "file").read_text() == "keep"


def test_a_place_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    workplace = Workplace(tmp_path / "work")
    (tmp_path / "work").rmdir()
    with pytest.raises(StoreFailed, match="no job was begun"):
        workplace.make_directory()


def test_an_empty_directory_stays(tmp_path: Path) -> None:
    empty(tmp_path)
    assert tmp_path.is_dir()
