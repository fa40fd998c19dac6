"""A process of its own that runs one program and ends with nothing of it left.

Started by ``command`` as a script, with the standard library alone: it gets what to run as one line
of JSON over the control socket, and tells how that ended as one line. Standard streams belong to the
program. When the other end of the socket closes, since the job is over or the worker died, or when
the program ends, or goes over a limit, everything that it started is killed: also what changed its
session or lost its parent, since this process adopts it.

The limits of the kernel hold for each process: CPU time, data, size of a file, no core, no new
privileges. Those over all processes together are measured ten times a second: their number, their
memory, and what lies in the directory. The kernel's limit on processes counts those of the user
and holds nobody who is root.

It is no wall against a program that means harm: same user, same files, same network. It holds what
a payload can make of an honest program. A program that kills this process, which its user may, leaves
behind what it hid from its session.
"""

import ctypes
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_SET_NO_NEW_PRIVS: Final = 38
_POLL_SECONDS: Final = 0.1
_SWEEP_SECONDS: Final = 0.005
_SPEC_BYTES: Final = 1024 * 1024
_ENTRIES: Final = 20_000  # in the directory; more are over the limit whatever their size
_BLOCK_BYTES: Final = 512  # what st_blocks counts in
_PAGE_BYTES: Final = resource.getpagesize()


def main() -> None:
    """Run one program, report, end."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    line = b""
    while not line.endswith(b"\n"):
        piece = control.recv(_SPEC_BYTES)
        if not piece:
            return
        line += piece
    spec = json.loads(line)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    pid, report = _start(spec)
    if pid:
        # The program alone holds its streams, so that their end is its end.
        for stream in (0, 1, 2):
            os.dup2(os.open(os.devnull, os.O_RDWR), stream)
        # Told at once, for whoever outlives this process.
        control.sendall(json.dumps({"pid": pid}).encode() + b"\n")
        report = _watch(pid, control, spec)
        _sweep()
    with suppress(OSError):
        control.sendall(json.dumps(report).encode() + b"\n")


def _start(spec: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Return the process id of the program, or 0 and why it could not be run."""
    reader, writer = os.pipe()  # closed by what is run
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            _prctl(_PR_SET_NO_NEW_PRIVS, 1)
            for name, (soft, hard) in spec["limits"].items():
                _limit(getattr(resource, name), soft, hard)
            _limit(resource.RLIMIT_NPROC, *[_count_tasks() + spec["processes"]] * 2)
            os.umask(0o077)
            os.chdir(spec["directory"])
            os.execve(spec["program"][0], spec["program"], spec["environment"])  # noqa: S606 - no shell
        except BaseException as error:  # noqa: BLE001 - a child tells and ends, whatever it was
            os.write(writer, str(getattr(error, "strerror", None) or type(error).__name__).encode())
        finally:
            os._exit(127)
    os.close(writer)
    trouble = os.read(reader, 256).decode(errors="replace")
    os.close(reader)
    if trouble:
        os.waitpid(pid, 0)
        return 0, {"trouble": trouble}
    return pid, {}


def _watch(pid: int, control: socket.socket, spec: dict[str, Any]) -> dict[str, Any]:
    """Wait for the program's end, for a limit, or for the other end; return what it was."""
    end = os.pidfd_open(pid)
    while True:
        status = _reap(pid)
        if status is not None:
            code = os.waitstatus_to_exitcode(status)
            return {"exit": code} if code >= 0 else {"signal": signal.Signals(-code).name}
        over = _find_excess(spec)
        if over:
            return {"limit": over}
        if control in select.select([control, end], [], [], _POLL_SECONDS)[0]:
            return {"stopped": True}


def _reap(pid: int) -> int | None:
    """Bury the dead; return the status of the program if it is among them."""
    found = None
    with suppress(ChildProcessError):
        while True:
            dead, status = os.waitpid(-1, os.WNOHANG)
            if dead == pid:
                found = status
            elif dead == 0:
                break
    return found


def _find_excess(spec: dict[str, Any]) -> str:
    """Return which limit over all processes is passed, or nothing."""
    family = list(_find_descendants(os.getpid()))
    if len(family) > spec["processes"]:
        return "processes"
    if sum(map(_measure_memory, family)) > spec["memory"]:
        return "memory"
    return "disk" if _measure_disk(spec["directory"]) > spec["disk"] else ""


def _find_descendants(pid: int) -> Iterator[int]:
    for child in _list_children(pid):
        yield child
        yield from _find_descendants(child)


def _list_children(pid: int) -> list[int]:
    children: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += map(int, (task / "children").read_text("ascii").split())
    return children


def _measure_memory(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * _PAGE_BYTES
    return 0


def _measure_disk(directory: str) -> int:
    total, entries, places = 0, 0, [directory]
    while places:
        with suppress(OSError), os.scandir(places.pop()) as items:
            for item in items:
                entries += 1
                if entries > _ENTRIES:
                    return sys.maxsize
                with suppress(OSError):
                    total += item.stat(follow_symlinks=False).st_blocks * _BLOCK_BYTES
                    if item.is_dir(follow_symlinks=False):
                        places.append(item.path)
    return total


def _sweep() -> None:
    """Kill until nothing is left: orphans become our children, so none gets away."""
    while True:
        for pid in _find_descendants(os.getpid()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(_SWEEP_SECONDS)


def _count_tasks() -> int:
    """Count the threads of this user, which the kernel's limit counts."""
    count = 0
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdigit() and process.stat().st_uid == os.getuid():
                count += len(list((process / "task").iterdir()))
    return count


def _limit(kind: int, soft: int, hard: int) -> None:
    """Lower a limit; one that is lower already stays."""
    _, old = resource.getrlimit(kind)
    if old != resource.RLIM_INFINITY:
        soft, hard = min(soft, old), min(hard, old)
    resource.setrlimit(kind, (soft, hard))


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    main()
