"""The executor that runs a program of its owner's choice: payload in, result out.

Guarantees: no shell; a fresh private directory that is gone afterwards; an environment that holds
what is listed here and what its owner named; payload on standard input, result from standard
output up to its limit; standard error kept short, for the owner's eyes, and never in a result. A
program that ends with another status than 0, says nothing, says too much, or says what its media
type does not allow, has failed. However a run ends, nothing of it is left running (``supervisor``).

It is no sandbox: the program runs as this user, with this user's files and network. Whoever runs a
program that obeys its input puts a sandbox of the system in front of it.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import trio

from synaptic_crdt.exec.display import clean_bytes, clean_text
from synaptic_crdt.exec.executors.base import ANY, Failure, Job, Result, Skills, Tell
from synaptic_crdt.exec.executors.media import explain_media
from synaptic_crdt.exec.executors.workplace import Workplace, remove
from synaptic_crdt.exec.leaks import find_leak
from synaptic_crdt.state.limits import KIB, MIB

_SUPERVISOR: Final = Path(__file__).with_name("supervisor.py")
_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
_READ_BYTES: Final = 64 * KIB
_ERROR_BYTES: Final = 2 * KIB
_DETAIL_CHARACTERS: Final = 300
_FIELD_CHARACTERS: Final = 1_000
_REPORT_BYTES: Final = 4 * KIB
_GRACE_SECONDS: Final = 10.0  # a supervisor needs milliseconds
_NOFILE: Final = 1_024


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A program, and what it may take.

    ``arguments`` begin with its path. ``takes`` are media types of payloads, ``gives`` that of the
    result. ``passes`` names variables of this process's environment that the program gets, too.
    Memory and disk are those of all its processes together, CPU time that of each.
    """

    arguments: tuple[str, ...]
    takes: tuple[str, ...]
    gives: str
    passes: tuple[str, ...] = ()
    cpu_seconds: int = 600
    memory_mib: int = 2_048
    disk_mib: int = 512
    processes: int = 64


class Report(msgspec.Struct, frozen=True):
    """How a program ended, as its supervisor tells; at first its process id alone."""

    pid: int | None = None
    exit: int | None = None
    signal: str = ""
    limit: str = ""
    stopped: bool = False
    trouble: str = ""


class CommandExecutor:
    """Runs a program for each job."""

    def __init__(self, program: Program, workplace: Workplace) -> None:
        self.name: Final = "command"
        self.skills: Final = Skills((ANY,), program.takes)
        self._program: Final = program
        self._workplace: Final = workplace

    async def run(self, job: Job, _: Tell) -> Result | Failure:
        """Run the program once."""
        run = _Run(job)
        directory = self._workplace.make_directory()
        try:
            await run.carry_out(_compose_spec(self._program, job, directory))
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(remove, directory)
        return run.conclude(self._program.gives)


class _Run:
    """One run of a program: what it said, and how it ended."""

    def __init__(self, job: Job) -> None:
        self._job: Final = job
        self._output: Final = bytearray()
        self._errors: Final = bytearray()
        self._report = Report()
        self._pid: int | None = None

    async def carry_out(self, spec: Mapping[str, object]) -> None:
        ours, theirs = trio.socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with ours, theirs:
            process = await trio.lowlevel.open_process(
                [sys.executable, "-I", "-S", "-B", _SUPERVISOR, str(theirs.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                env={},
                start_new_session=True,
            )
            theirs.close()
            try:
                await self._attend(process, trio.SocketStream(ours), spec)
            finally:
                # The closed socket tells the supervisor to end everything.
                ours.close()
                await self._end(process)

    async def _attend(
        self, process: trio.Process, control: trio.SocketStream, spec: Mapping[str, object]
    ) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._feed, process.stdin)
            nursery.start_soon(self._collect, process.stdout, control)
            nursery.start_soon(self._overhear, process.stderr)
            await control.send_all(json.dumps(spec).encode() + b"\n")
            await self._listen(control)
            await process.wait()
            if self._report == Report():
                # Ended without a word: what it left behind may hold the streams open for ever.
                nursery.cancel_scope.cancel()

    async def _listen(self, control: trio.SocketStream) -> None:
        data = bytearray()
        while len(data) < _REPORT_BYTES:
            piece = await _receive(control)
            if not piece:
                break
            data += piece
        for line in data.splitlines():
            try:
                report = msgspec.json.decode(line, type=Report)
            except msgspec.DecodeError:
                return
            if report.pid is None:
                self._report = report
            else:
                self._pid = report.pid

    async def _feed(self, stream: trio.abc.SendStream) -> None:
        async with stream:
            try:
                await stream.send_all(self._job.payload)
            except trio.BrokenResourceError:
                # A program need not read all of it.
                return

    async def _collect(self, stream: trio.abc.ReceiveStream, control: trio.SocketStream) -> None:
        async with stream:
            while piece := await stream.receive_some(_READ_BYTES):
                self._output.extend(piece)
                if len(self._output) > self._job.limits.result_bytes:
                    # Said enough: the supervisor ends it.
                    await control.send_eof()
                    return

    async def _overhear(self, stream: trio.abc.ReceiveStream) -> None:
        async with stream:
            while piece := await stream.receive_some(_READ_BYTES):
                self._errors.extend(piece)
                del self._errors[:-_ERROR_BYTES]

    async def _end(self, process: trio.Process) -> None:
        """Wait for the supervisor; where it does not end or was killed, end what can be found."""
        with trio.CancelScope(shield=True):
            with trio.move_on_after(_GRACE_SECONDS):
                await process.wait()
            if self._report == Report() and self._pid is not None:
                _kill_session(self._pid)
            if process.returncode is None:
                process.kill()
                await process.wait()

    def conclude(self, media_type: str) -> Result | Failure:
        """Return what is handed in."""
        output, report = bytes(self._output), self._report
        if len(output) > self._job.limits.result_bytes:
            return Failure("result-too-large", f"over {self._job.limits.result_bytes} bytes")
        trouble = _explain_report(report)
        if trouble:
            return Failure(
                "executor-error", self._add_errors(trouble), is_lasting=bool(report.trouble)
            )
        if not output.strip():
            return Failure("result-empty", self._add_errors("the program said nothing"))
        objection = explain_media(media_type, output)
        if objection is not None:
            return Failure("result-unusable", objection)
        return Result(media_type, output)

    def _add_errors(self, trouble: str) -> str:
        """Add the end of standard error, unless it holds what nobody should see."""
        errors = bytes(self._errors)
        if not errors.strip():
            return trouble
        if find_leak(errors) is not None:
            return f"{trouble}; its errors look like they hold a secret, and are not shown"
        return f"{trouble}: {clean_bytes(errors[-_DETAIL_CHARACTERS:], _DETAIL_CHARACTERS)}"


def _compose_spec(program: Program, job: Job, directory: Path) -> dict[str, object]:
    disk = program.disk_mib * MIB
    memory = program.memory_mib * MIB
    return {
        "program": list(program.arguments),
        "environment": _compose_environment(program, job, directory),
        "directory": str(directory),
        "processes": program.processes,
        "memory": memory,
        "disk": disk,
        "limits": {
            "RLIMIT_CORE": (0, 0),
            # A program that ignores the first signal is killed by the second.
            "RLIMIT_CPU": (program.cpu_seconds, program.cpu_seconds + 1),
            # Data, not address space: runtimes reserve more of that than there is.
            "RLIMIT_DATA": (memory, memory),
            "RLIMIT_FSIZE": (disk, disk),
            "RLIMIT_NOFILE": (_NOFILE, _NOFILE),
        },
    }


def _compose_environment(program: Program, job: Job, directory: Path) -> dict[str, str]:
    """Return what the program sees; what others wrote is cleaned, since shells read it."""
    passed = {name: os.environ[name] for name in program.passes if name in os.environ}
    return {
        "PATH": _PATH,
        "LANG": "C.UTF-8",
        "HOME": str(directory),
        "TMPDIR": str(directory),
        **passed,
        "TASK_KIND": clean_text(job.kind, _FIELD_CHARACTERS),
        "TASK_TITLE": clean_text(job.title, _FIELD_CHARACTERS),
        "TASK_CRITERIA": clean_text(job.criteria, _FIELD_CHARACTERS),
        "TASK_UNITS": str(job.units),
        "TASK_MEDIA_TYPE": clean_text(job.media_type, _FIELD_CHARACTERS),
    }


def _explain_report(report: Report) -> str:
    """Say why a program's output is no result; nothing when it is one."""
    if report.trouble:
        return f"the program cannot be run: {clean_text(report.trouble, _DETAIL_CHARACTERS)}"
    if report.limit:
        return f"the program went over its limit of {report.limit}"
    if report.stopped:
        return "the program was stopped"
    if report.signal:
        return f"the program was ended by {report.signal}{_SIGNALS.get(report.signal, '')}"
    if report.exit is None:
        return "the program's supervisor was killed"
    return f"the program ended with status {report.exit}" if report.exit else ""


_SIGNALS: Final[Mapping[str, str]] = {
    "SIGXCPU": ", its limit of CPU time",
    "SIGXFSZ": ", its limit of a file's size",
}


def _kill_session(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


async def _receive(stream: trio.SocketStream) -> bytes:
    try:
        return bytes(await stream.receive_some(_REPORT_BYTES))
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return b""
