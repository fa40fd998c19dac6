"""From the system calls of a process to what they do to a modelled disk, and to their names."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.crashing.disk import Disk, File, Folder, Node
from tests.crashing.tracing import Call

_AT_CWD: Final = 0xFFFFFF9C
_PATH_BYTES: Final = 4_096
_STEP: Final = 256
_GENERAL: Final = (
    (re.compile(r"[0-9a-f]{16,}"), "*"),
    (re.compile(r"\.[0-9]+\.(part|bundle)$"), r".*.\1"),
    (re.compile(r"^\d{4}-\d\d-\d\d"), "DAY"),
)

# What is not understood of what may change a file; which argument says which file.
_DESCRIPTORS: Final = {
    "writev": 0,
    "pwritev": 0,
    "fallocate": 0,
    "sendfile": 0,
    "copy_file_range": 2,
}


class Onlooker:
    """Follows one process; tells of each call what it did below the disk's root, if anything."""

    def __init__(self, child: int, disk: Disk) -> None:
        self._place: Final = Path(f"/proc/{child}")
        self._disk: Final = disk
        self._root: Final = f"{disk.root}/"

    def see(self, call: Call) -> str | None:
        """Follow a call that is done; return its name and the file's if it changed something."""
        return None if call.result < 0 else _SEEN[call.name](self, call)

    def open(self, call: Call) -> str | None:
        if call.name == "creat":
            flags = os.O_CREAT | os.O_TRUNC
        else:
            flags = call.args[2 if call.name == "openat" else 1]
        path = self._get_open(call.result)
        if not self._is_ours(path):
            return None
        file = self._disk.find(path)
        if file is None and flags & os.O_CREAT:
            self._disk.get_folder(path).change((), {Path(path).name: File(b"")})
            return f"create {_describe(path)}"
        if flags & os.O_TRUNC and isinstance(file, File) and file.data:
            file.truncate(0)
            return f"truncate {_describe(path)}"
        return None

    def write(self, call: Call) -> str | None:
        path = self._get_open(call.args[0])
        if not self._is_ours(path) or not call.result:
            return None
        if call.name == "pwrite64":
            offset = call.args[3]
        else:
            offset = self._get_position(call.args[0]) - call.result
        file = self._disk.find(path)
        assert isinstance(file, File), path
        file.write(offset, self._read_memory(call.args[1], call.result))
        return f"write {_describe(path)}"

    def sync(self, call: Call) -> str | None:
        path = self._get_open(call.args[0])
        if not self._is_ours(path):
            return None
        node = self._disk.find(path)
        assert node is not None, path
        node.sync()
        return f"fsync {_describe(path)}"

    def truncate(self, call: Call) -> str | None:
        path = self._get_open(call.args[0])
        if not self._is_ours(path):
            return None
        file = self._disk.find(path)
        assert isinstance(file, File), path
        file.truncate(call.args[1])
        return f"truncate {_describe(path)}"

    def make_folder(self, call: Call) -> str | None:
        path = self._get_path(call.args, at=call.name == "mkdirat")
        return self._change("mkdir", path, {Path(path).name: Folder()})

    def unlink(self, call: Call) -> str | None:
        path = self._get_path(call.args, at=call.name == "unlinkat")
        return self._change("unlink", path, {})

    def _change(self, name: str, path: str, come: dict[str, Node]) -> str | None:
        if not self._is_ours(path):
            return None
        self._disk.get_folder(path).change((Path(path).name,), come)
        return f"{name} {_describe(path)}"

    def rename(self, call: Call) -> str | None:
        if call.name == "rename":
            old, new = self._read_path(call.args[0]), self._read_path(call.args[1])
        else:
            old, new = (self._get_path(call.args[place:], at=True) for place in (0, 2))
        if not self._is_ours(old) and not self._is_ours(new):
            return None
        node = self._disk.find(old)
        assert node is not None, old
        source, target = self._disk.get_folder(old), self._disk.get_folder(new)
        assert source is target, f"{old} and {new} are in two folders: a rename is no longer whole"
        target.change((Path(old).name,), {Path(new).name: node})
        return f"rename {_describe(new)}"

    def refuse(self, call: Call) -> None:
        """Notice a call that this does not understand, where it could matter."""
        place = _DESCRIPTORS.get(call.name)
        is_ours = place is None or self._is_ours(self._get_open(call.args[place]))
        assert not is_ours, f"{call.name} is not understood by the rig"

    def _is_ours(self, path: str) -> bool:
        return f"{path}/".startswith(self._root) and not path.endswith((" (deleted)", "-shm"))

    def _get_open(self, descriptor: int) -> str:
        return str((self._place / "fd" / str(descriptor)).readlink())

    def _get_position(self, descriptor: int) -> int:
        info = (self._place / "fdinfo" / str(descriptor)).read_text()
        return int(info.split(maxsplit=2)[1])

    def _get_path(self, args: tuple[int, ...], *, at: bool) -> str:
        if not at:
            return self._read_path(args[0])
        path = self._read_path(args[1])
        if path.startswith("/") or args[0] & 0xFFFFFFFF == _AT_CWD:
            return path
        return f"{self._get_open(args[0])}/{path}"

    def _read_path(self, address: int) -> str:
        data = b""
        while b"\0" not in data and len(data) < _PATH_BYTES:
            # Never beyond a page: the next one may not be there.
            step = _STEP - (address + len(data)) % _STEP
            data += self._read_memory(address + len(data), step)
        return os.fsdecode(data.partition(b"\0")[0])

    def _read_memory(self, address: int, size: int) -> bytes:
        with (self._place / "mem").open("rb", buffering=0) as memory:
            data = os.pread(memory.fileno(), size, address)
        assert len(data) == size
        return data


_SEEN: Final[dict[str, Callable[[Onlooker, Call], str | None]]] = {
    "open": Onlooker.open,
    "creat": Onlooker.open,
    "openat": Onlooker.open,
    "write": Onlooker.write,
    "pwrite64": Onlooker.write,
    "fsync": Onlooker.sync,
    "fdatasync": Onlooker.sync,
    "ftruncate": Onlooker.truncate,
    "mkdir": Onlooker.make_folder,
    "mkdirat": Onlooker.make_folder,
    "rmdir": Onlooker.unlink,
    "unlink": Onlooker.unlink,
    "unlinkat": Onlooker.unlink,
    "rename": Onlooker.rename,
    "renameat": Onlooker.rename,
    "renameat2": Onlooker.rename,
    **dict.fromkeys(_DESCRIPTORS, Onlooker.refuse),
    **dict.fromkeys(("truncate", "link", "linkat", "symlink", "symlinkat"), Onlooker.refuse),
}


def _describe(path: str) -> str:
    """Return the name of a file without what differs each time, for tables."""
    name = Path(path).name
    for pattern, general in _GENERAL:
        name = pattern.sub(general, name)
    return name
