"""The files of one market in a folder that others write to, too, whoever keeps it in step.

A file is named by market, writer and the hash of its bytes, so its name says whether all of it is
there, and what has been read once never changes. It is written under another name first, which
readers pass over, made durable, and renamed. No clock is compared with anything.

Answers file systems and programs that show files before they are whole, conflict copies and foreign
files (their names are not ours), and those who put links, pipes, devices, folders or endless files
under names like ours: nothing but an ordinary file is opened, no link is followed, and a size is
checked before anything is read. The folder is opened once, and everything is named within it.
"""

import errno
import os
import re
import secrets
import stat
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Final, NamedTuple, Self

from synaptic_crdt.errors import LinkFailed, StoreFailed
from synaptic_crdt.state import limits
from synaptic_crdt.state.hashes import start_hash

_TAG_DIGITS: Final = 16
_SUFFIX: Final = ".bundle"
_PART: Final = ".part"
_PATTERN: Final = re.compile(
    "(?P<market>[0-9a-f]{16})-(?P<writer>[0-9a-f]{16})-(?P<hash>[0-9a-f]{64})" + re.escape(_SUFFIX)
)
_READ_BYTES: Final = limits.MIB
_IGNORED: Final = 64  # that are named
_MODE: Final = 0o666  # less what the user's mask takes away, as for any file that is shared


class Unready(Exception):
    """A file that cannot be read now, and why."""


class Found(NamedTuple):
    """A file as it was seen: what changes when it is written to."""

    size: int
    inode: int
    changed_ns: int


class Listing(NamedTuple):
    """The files of the market by name, and why others that look like bundles are passed over."""

    files: Mapping[str, Found]
    ignored: Mapping[str, str]


class Shelf:
    """One open folder, and which names in it are of one market."""

    def __init__(self, path: Path, market: bytes, writer: bytes) -> None:
        """Open a folder; ``writer`` is whose files are our own. Raises ``LinkFailed``."""
        try:
            self._folder: Final = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise LinkFailed(f"{path}: {error.strerror}; name a folder that is there") from error
        self._path: Final = path
        self._market: Final = market.hex()[:_TAG_DIGITS]
        self._own: Final = f"{self._market}-{writer.hex()[:_TAG_DIGITS]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._folder)

    def is_own(self, name: str) -> bool:
        """Did we write this file, by its name?"""
        return name.startswith(self._own)

    def comes_before_us(self, name: str) -> bool:
        """Does the writer of a file come before us in the order of writers?"""
        return _match(name)["writer"] < self._own[-_TAG_DIGITS:]

    def list_files(self) -> Listing:
        """Return what is there now. Raises ``LinkFailed``."""
        files: dict[str, Found] = {}
        ignored: dict[str, str] = {}
        try:
            with os.scandir(self._folder) as entries:
                for seen, entry in enumerate(entries):
                    if seen >= limits.FOLDER_NAMES:
                        ignored["..."] = f"more than {limits.FOLDER_NAMES:,} names"
                        break
                    self._look_at(entry, files, ignored)
        except OSError as error:
            raise LinkFailed(f"{self._path}: {error.strerror}") from error
        return Listing(files, ignored)

    def read(self, name: str, room: int) -> bytes:
        """Return a whole file of at most ``room`` bytes. Raises ``Unready``."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(name, flags, dir_fd=self._folder), "rb") as file:
                found = os.fstat(file.fileno())
                # It may be another one than was listed.
                if not stat.S_ISREG(found.st_mode) or found.st_size > room:
                    raise Unready("it is being replaced")
                hasher = start_hash("file")
                parts: list[bytes] = []
                while sum(map(len, parts)) <= room and (part := file.read(_READ_BYTES)):
                    hasher.update(part)
                    parts.append(part)
        except OSError as error:
            raise Unready(str(error.strerror)) from error
        if hasher.hexdigest() != _match(name)["hash"]:
            raise Unready("not all of it is here yet, or it was altered")
        return b"".join(parts)

    @contextmanager
    def write(self) -> Generator[tuple[IO[bytes], Callable[[], str]]]:
        """Yield a new file, and what makes it durable and visible and returns its name.

        Raises ``StoreFailed``; then nothing is there.
        """
        part = f".{self._own}.{secrets.token_hex(8)}{_PART}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(part, flags, _MODE, dir_fd=self._folder), "w+b") as file:
                try:
                    yield file, lambda: self._publish(file, part)
                finally:
                    self._remove(part)
        except OSError as error:
            raise StoreFailed(f"{self._path}: {error.strerror}; nothing was written") from error

    def remove(self, name: str) -> None:
        """Remove a file of our own. Raises ``StoreFailed``."""
        assert self.is_own(name)
        try:
            self._remove(name)
        except OSError as error:
            raise StoreFailed(f"{self._path}: {error.strerror}; {name} is left there") from error

    def remove_leftovers(self) -> None:
        """Remove what a writer of ours that was killed has left half written.

        Raises ``StoreFailed``.
        """
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    if entry.name.startswith(f".{self._own}.") and entry.name.endswith(_PART):
                        self._remove(entry.name)
        except OSError as error:
            raise StoreFailed(f"{self._path}: {error.strerror}") from error

    def _look_at(
        self, entry: "os.DirEntry[str]", files: dict[str, Found], ignored: dict[str, str]
    ) -> None:
        match = _PATTERN.fullmatch(entry.name)
        if match is None or match["market"] != self._market:
            # Files of other markets may lie beside ours; what begins with a point is nobody's.
            if match is None and not entry.name.startswith(".") and len(ignored) < _IGNORED:
                ignored[entry.name] = "it is not named as the files of a market are"
            return
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError:
            return
        why = None
        if not stat.S_ISREG(found.st_mode):
            why = "it is no ordinary file"
        elif found.st_size > limits.FOLDER_FILE_BYTES:
            why = f"{found.st_size:,} bytes are over the {limits.FOLDER_FILE_BYTES:,} of a file"
        elif len(files) >= limits.FOLDER_FILES:
            why = f"more than {limits.FOLDER_FILES:,} files of one market"
        if why is None:
            files[entry.name] = Found(found.st_size, found.st_ino, found.st_mtime_ns)
        elif len(ignored) < _IGNORED:
            ignored[entry.name] = why

    def _publish(self, file: IO[bytes], part: str) -> str:
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)
        hasher = start_hash("file")
        while data := file.read(_READ_BYTES):
            hasher.update(data)
        name = f"{self._own}-{hasher.hexdigest()}{_SUFFIX}"
        os.rename(part, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        try:
            os.fsync(self._folder)
        except OSError as error:
            # Some file systems have no folders to make durable.
            if error.errno != errno.EINVAL:
                raise
        return name

    def _remove(self, name: str) -> None:
        try:
            os.unlink(name, dir_fd=self._folder)
        except FileNotFoundError:
            return


def _match(name: str) -> re.Match[str]:
    match = _PATTERN.fullmatch(name)
    assert match is not None
    return match
