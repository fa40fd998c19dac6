"""What a disk holds after a power cut: a model of files and folders, and of what was made durable.

It keeps what POSIX promises and nothing more. What was written to a file since its last ``fsync``
may have landed or not, sector by sector, in any order, and in any of the versions that a sector had;
the size of the file is any that it had. Names that changed in a folder since the folder's last
``fsync`` have changed up to one of these changes: folders are told to be journaled, each for itself.
File systems promise more, each something else; who relies on this alone is safe on all of them.
"""

from pathlib import Path
from random import Random
from typing import Final, TypeVar

T = TypeVar("T")

SECTOR: Final = 512


class File:
    """A file: as programs see it, as it is on the disk for sure, and what came between."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self._durable = data
        # Offset and bytes written; or a new size, and None.
        self._changes: Final[list[tuple[int, bytes | None]]] = []

    @property
    def unsynced(self) -> int:
        """How many changes are not durable."""
        return len(self._changes)

    def write(self, offset: int, data: bytes) -> None:
        _write(self.data, offset, data)
        self._changes.append((offset, data))

    def truncate(self, size: int) -> None:
        if size != len(self.data):
            _resize(self.data, size)
            self._changes.append((size, None))

    def sync(self) -> None:
        self._durable = bytes(self.data)
        self._changes.clear()

    def tear(self, chance: Random, share: float) -> bytes:
        """Return what may be found later; each sector is up to date with a chance of ``share``."""
        data = bytearray(self._durable)
        sizes, touched = [len(data)], dict[int, list[bytes]]()
        for offset, written in self._changes:
            before = len(data)
            if written is None:
                _resize(data, offset)
                low, high = min(before, offset), max(before, offset)
            else:
                _write(data, offset, written)
                low, high = min(before, offset), offset + len(written)
            sizes.append(len(data))
            for sector in range(low // SECTOR, -(-high // SECTOR)):
                versions = touched.setdefault(sector, [_cut(self._durable, sector)])
                versions.append(_cut(data, sector))
        found = bytearray(self._durable)
        _resize(found, _choose(sizes, chance, share))
        for sector, versions in touched.items():
            start = sector * SECTOR
            chosen = _choose(versions, chance, share).ljust(SECTOR, b"\0")
            found[start : start + SECTOR] = chosen[: max(0, len(found) - start)]
        return bytes(found)


class Folder:
    """A folder: its names as programs see them, as they are for sure, and what came between."""

    def __init__(self) -> None:
        self.names: dict[str, Node] = {}
        self._durable: dict[str, Node] = {}
        # Each change: the names that have gone, and those that have come.
        self._changes: Final[list[tuple[tuple[str, ...], dict[str, Node]]]] = []

    def change(self, gone: tuple[str, ...], come: "dict[str, Node]") -> None:
        """Take names away and give others, at once or not at all."""
        _rename(self.names, gone, come)
        self._changes.append((gone, come))

    def sync(self) -> None:
        self._durable = dict(self.names)
        self._changes.clear()

    def tear(self, chance: Random, share: float) -> "dict[str, Node]":
        """Return the names that may be found later."""
        names = dict(self._durable)
        count = _choose(list(range(len(self._changes) + 1)), chance, share)
        for gone, come in self._changes[:count]:
            _rename(names, gone, come)
        return names

    def sync_all(self) -> None:
        """Make everything in here durable."""
        self.sync()
        for node in self.names.values():
            if isinstance(node, Folder):
                node.sync_all()
            else:
                node.sync()


Node = File | Folder
# How much of what was not synced has landed: nothing, little, half, nearly all, all of it.
SHARES: Final = (0.0, 0.1, 0.5, 0.9, 1.0)

# Of the changes of names and of those of contents.
Landed = tuple[float, float]
NOTHING_LANDED: Final[Landed] = 0.0, 0.0


class Disk:
    """All below one folder, which itself is durable."""

    def __init__(self, root: Path) -> None:
        self.root: Final = root
        self._top: Final = _read(root)
        self._top.sync_all()

    def find(self, path: str) -> Node | None:
        """Return what has a path, if anything has it."""
        node: Node | None = self._top
        for name in Path(path).relative_to(self.root).parts:
            node = node.names.get(name) if isinstance(node, Folder) else None
        return node

    def get_folder(self, path: str) -> Folder:
        """Return the folder that a path is in."""
        folder = self.find(str(Path(path).parent))
        assert isinstance(folder, Folder), path
        return folder

    def check(self) -> None:
        """Raise ``AssertionError`` unless the folder holds what programs were seen to write."""
        _compare(self.root, self._top)

    def lose_power(self, target: Path, chance: Random, landed: Landed) -> None:
        """Write what may be found after a power cut to another folder."""
        _write_torn(target, self._top, chance, *landed)


def _read(path: Path) -> Folder:
    folder = Folder()
    for each in path.iterdir():
        folder.names[each.name] = _read(each) if each.is_dir() else File(each.read_bytes())
    return folder


def _compare(path: Path, node: Node) -> None:
    if isinstance(node, File):
        assert path.read_bytes() == node.data, f"{path} holds something else than was written"
        return
    found = {each.name for each in path.iterdir() if not each.is_socket()}
    assert found == node.names.keys(), f"{path}: {found ^ node.names.keys()}"
    for name, inner in node.names.items():
        _compare(path / name, inner)


def _write_torn(path: Path, node: Node, chance: Random, names: float, data: float) -> None:
    if isinstance(node, File):
        path.write_bytes(node.tear(chance, data))
        path.chmod(0o600)
        return
    path.mkdir(mode=0o700, exist_ok=True)
    for name, inner in node.tear(chance, names).items():
        # SQLite's shared memory is no file to anybody after a restart.
        if not name.endswith("-shm"):
            _write_torn(path / name, inner, chance, names, data)


def _choose(versions: list[T], chance: Random, share: float) -> T:
    """Return the last version with a chance of ``share``, the first for sure at 0."""
    if chance.random() < share or share == 1:
        return versions[-1]
    return chance.choice(versions[:-1] or versions) if share else versions[0]


def _write(data: bytearray, offset: int, written: bytes) -> None:
    if offset > len(data):
        _resize(data, offset)
    data[offset : offset + len(written)] = written


def _resize(data: bytearray, size: int) -> None:
    del data[size:]
    data.extend(bytes(size - len(data)))


def _cut(data: bytes | bytearray, sector: int) -> bytes:
    return bytes(data[sector * SECTOR : (sector + 1) * SECTOR])


def _rename(names: dict[str, Node], gone: tuple[str, ...], come: dict[str, Node]) -> None:
    for name in gone:
        names.pop(name, None)
    names.update(come)
