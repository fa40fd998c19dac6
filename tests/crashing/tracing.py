"""Watching every system call of a child that changes files, and killing it right after any of them.

Linux lets a parent do that with nothing installed: a filter in the child stops it at the calls that
are asked for (seccomp), and its parent reads what it is about to do and what came of it (ptrace).
Where the kernel, the processor or a container's rules do not allow that, ``find_obstacle`` says why.
"""

import ctypes
import errno
import os
import platform
import signal
import struct
from collections.abc import Callable
from typing import Final, NamedTuple

_NUMBERS: Final = {
    "x86_64": {
        "write": 1,
        "open": 2,
        "pwrite64": 18,
        "writev": 20,
        "sendfile": 40,
        "fsync": 74,
        "fdatasync": 75,
        "truncate": 76,
        "ftruncate": 77,
        "rename": 82,
        "mkdir": 83,
        "rmdir": 84,
        "creat": 85,
        "link": 86,
        "unlink": 87,
        "symlink": 88,
        "openat": 257,
        "mkdirat": 258,
        "unlinkat": 263,
        "renameat": 264,
        "linkat": 265,
        "symlinkat": 266,
        "fallocate": 285,
        "pwritev": 296,
        "renameat2": 316,
        "copy_file_range": 326,
    },
    "aarch64": {
        "mkdirat": 34,
        "unlinkat": 35,
        "symlinkat": 36,
        "linkat": 37,
        "renameat": 38,
        "truncate": 45,
        "ftruncate": 46,
        "fallocate": 47,
        "openat": 56,
        "write": 64,
        "writev": 66,
        "pwrite64": 68,
        "pwritev": 70,
        "sendfile": 71,
        "fsync": 82,
        "fdatasync": 83,
        "renameat2": 276,
        "copy_file_range": 285,
    },
}
_CALLS: Final = _NUMBERS.get(platform.machine(), {})
_NAMES: Final = {number: name for name, number in _CALLS.items()}

# From the kernel's headers: they are part of its promise to programs.
_TRACEME, _CONT, _SYSCALL, _SETOPTIONS, _GET_SYSCALL_INFO = 0, 7, 24, 0x4200, 0x420E
# Tell system calls apart from signals, threads, the filter; and end with us.
_OPTIONS: Final = 0x1 | 0x8 | 0x80 | 0x100000
_SECCOMP_EVENT: Final = 7
_EXIT: Final = 2
_WAIT_ALL: Final = 0x40000000
_SET_END_WITH_PARENT: Final = 1
_SET_SECCOMP, _FILTER, _NO_NEW_PRIVILEGES = 22, 2, 38
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _TRACE = 0x7FFF0000, 0x7FF00000
_INFO_BYTES: Final = 88
_INFO_AT: Final = 24

_libc: Final = ctypes.CDLL(None, use_errno=True)


class Call(NamedTuple):
    """A system call that has come to its end: its name, its arguments, and what it returned."""

    name: str
    args: tuple[int, ...]
    result: int


class NotTraceableError(Exception):
    """The kernel does not let this process watch its child."""


def become_traced() -> None:
    """In the child: let the parent watch, and wait for it to begin."""
    # Who waits for a parent that is gone waits for ever.
    _libc.prctl(_SET_END_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    _ptrace(_TRACEME, 0, None)
    os.kill(os.getpid(), signal.SIGSTOP)
    numbers = list(_CALLS.values())
    program = [(_LOAD, 0, 0, 0)]
    program += [
        (_JUMP_IF_EQUAL, len(numbers) - place, 0, number) for place, number in enumerate(numbers)
    ]
    program += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _TRACE)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    head = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(code))
    if _libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or _libc.prctl(
        _SET_SECCOMP, _FILTER, ctypes.create_string_buffer(head), 0, 0
    ):
        os._exit(1)


def watch(child: int, is_last: Callable[[Call], bool]) -> int:
    """Let a child that waits run, telling each call when it is done; kill it after the last one.

    Threads that it begins are watched as well. Returns how the child ended, as ``os.waitpid`` tells
    it; there must be no other child.
    """
    _, status = os.waitpid(child, _WAIT_ALL)
    if not os.WIFSTOPPED(status):
        raise NotTraceableError("the child cannot be traced")
    _ptrace(_SETOPTIONS, child, _OPTIONS)
    _ptrace(_CONT, child, None)
    # By thread: the call that it is in.
    begun: dict[int, tuple[str, tuple[int, ...]]] = {}
    known = {child}
    while True:
        thread, status = os.waitpid(-1, _WAIT_ALL)
        if not os.WIFSTOPPED(status):
            if thread == child:
                return status
            continue
        number, event = os.WSTOPSIG(status), status >> 16
        if event == _SECCOMP_EVENT:
            info = _read_info(thread)
            call, *rest = struct.unpack_from("7Q", info, _INFO_AT)
            begun[thread] = _NAMES.get(call, ""), tuple(rest)
            # Before the call: from here to its end.
            _ptrace(_SYSCALL, thread, None)
        elif number == signal.SIGTRAP | 0x80:
            info = _read_info(thread)
            (result,) = struct.unpack_from("q", info, _INFO_AT)
            # What a dying thread had begun is of no interest.
            if info[0] == _EXIT and is_last(Call(*begun.pop(thread), result)):
                os.kill(child, signal.SIGKILL)
            else:
                _ptrace(_CONT, thread, None)
        else:
            # A new thread is stopped before it begins, and the event is no signal for anybody.
            is_signal = not event and thread in known
            known.add(thread)
            _ptrace(_CONT, thread, number if is_signal else None)


def find_obstacle() -> str | None:
    """Return why children cannot be watched here, or None if they can."""
    if not _CALLS or platform.system() != "Linux":
        return f"the system calls of {platform.system()} on {platform.machine()} are not known here"
    seen: list[str] = []

    def note(call: Call) -> bool:
        seen.append(call.name)
        return True

    child = os.fork()
    if not child:
        try:
            become_traced()
            os.write(os.open(os.devnull, os.O_WRONLY), b"anything")
        finally:
            os._exit(1)
    try:
        status = watch(child, note)
    except (NotTraceableError, OSError) as error:
        return f"the kernel does not let a parent trace its child: {error}"
    is_killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    return None if seen and is_killed else "the kernel does not let a child be stopped at its calls"


def _read_info(child: int) -> bytes:
    info = ctypes.create_string_buffer(_INFO_BYTES)
    _ptrace(_GET_SYSCALL_INFO, child, _INFO_BYTES, info)
    return info.raw


def _ptrace(request: int, child: int, value: int | None, data: object = None) -> None:
    """``value`` is the data of most requests, and the address of the one that fills a buffer."""
    number = ctypes.c_void_p(value)
    arguments = (None, number) if data is None else (number, data)
    if _libc.ptrace(ctypes.c_long(request), ctypes.c_long(child), *arguments) < 0:
        # A child that was killed from elsewhere has nothing to be told; waiting for it says so.
        code = ctypes.get_errno()
        if code != errno.ESRCH:
            raise OSError(code, os.strerror(code))
