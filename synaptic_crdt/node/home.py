"""A home: the directory that holds one device's key and one market's store.

One process owns a home at a time, by holding ``flock`` on its lock file; others reach the owner
through its socket. A home is complete once ``market.db`` stands under that name, so an interrupted
``init`` or ``join`` can be repeated and never loses a key.
"""

import fcntl
import os
import stat
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import platformdirs

from synaptic_crdt.errors import KeyLocked, StoreFailed, UsageError
from synaptic_crdt.folders import make_folders, sync_folder, sync_if_there, sync_name
from synaptic_crdt.state.hashes import compute_hash
from synaptic_crdt.state.keys import DeviceKey, is_locked, lock_seed, make_seed, unlock_seed

_PRIVATE_DIRECTORY: Final = 0o700
_PRIVATE_FILE: Final = 0o600
# A socket's path has to fit in about a hundred bytes, so the home is named by a hash.
_SOCKET_NAME_BYTES: Final = 12


class Home:
    """The places of one home. Nothing is read or made until asked for."""

    def __init__(self, path: Path) -> None:
        self.path: Final = path.expanduser().absolute()
        self.store_path: Final = self.path / "market.db"
        self.key_path: Final = self.path / "device.key"
        self.policy_path: Final = self.path / "policy.toml"
        self.peers_path: Final = self.path / "peers.json"
        self.lock_path: Final = self.path / "lock"
        self.place_path: Final = self.path / "place.json"
        self.blobs_path: Final = self.path / "blobs"
        self.keys_path: Final = self.path / "keys"
        self.places_path: Final = self.path / "places"
        self.read_keys_path: Final = self.path / "read-keys.json"
        self.usage_path: Final = self.path / "usage"
        self.work_path: Final = self.path / "work"
        self.journal_path: Final = self.path / "journal"
        self.log_path: Final = self.path / "up.log"

    @property
    def name(self) -> str:
        """The home's path for people and for JSON: bytes that are no UTF-8 are written out."""
        return os.fsencode(self.path).decode(errors="backslashreplace")

    @property
    def incoming_path(self) -> Path:
        """The folder of what arrives for a new home; to be removed once it is of no more use."""
        return self.path / "incoming"

    @property
    def is_complete(self) -> bool:
        """Does this home hold a market?"""
        return self.store_path.exists()

    def check_complete(self) -> None:
        """Raise ``UsageError`` unless this home holds a market."""
        if not self.is_complete:
            raise UsageError(
                f"{self.path} holds no market; found one with `synaptic-crdt init`, or join one"
                " with `synaptic-crdt join TICKET`"
            )

    def check_free(self) -> None:
        """Raise ``UsageError`` when this home already holds a market."""
        if self.is_complete:
            raise UsageError(
                f"{self.path} already holds a market; choose another place with --home DIR"
            )

    def make(self) -> None:
        """Make the directory, readable by its owner alone."""
        make_folders(self.path, _PRIVATE_DIRECTORY)
        # Also when an attempt that was killed has left it there.
        sync_name(self.path)

    def sync_what_is_left(self) -> None:
        """Make durable what an earlier process wrote and was killed before it synced.

        Programs see it all the same, and what is shown to others must not be gone after the next
        power cut: its device would sign another history in its place. Raises ``StoreFailed``.
        """
        # SQLite takes over what it finds in its log, and syncs that with the next write alone.
        log = self.store_path.with_name(f"{self.store_path.name}-wal")
        folders = (
            self.path,
            self.blobs_path,
            self.journal_path,
            self.keys_path,
            self.places_path,
            self.usage_path,
        )
        try:
            sync_if_there(log, *folders)
        except OSError as error:
            raise StoreFailed(f"{self.path}: {error}; nothing of it was used") from error

    def make_key(self, passphrase: str) -> DeviceKey:
        """Make and keep a new device key, or return the one an interrupted attempt left."""
        if self.key_path.exists():
            return self.read_key(passphrase)
        seed = make_seed()
        write_privately(self.key_path, lock_seed(seed, passphrase))
        return DeviceKey(seed)

    def read_key(self, passphrase: str) -> DeviceKey:
        """Return the device key. Raises ``KeyLocked``."""
        try:
            data = self.key_path.read_bytes()
            mode = stat.S_IMODE(self.key_path.stat().st_mode)
        except OSError as error:
            raise KeyLocked(f"{self.key_path}: {error.strerror}; restore the key file") from error
        if mode & 0o077:
            raise KeyLocked(
                f"{self.key_path} has mode {mode:o}, others can read it; run chmod 600 on it"
            )
        return DeviceKey(unlock_seed(data, passphrase))

    def is_key_locked(self) -> bool:
        """Does the device key need a passphrase?"""
        return is_locked(self.key_path.read_bytes())

    def get_socket_path(self) -> Path:
        """Return where the owner of this home serves; its directory is made, private to us."""
        base = os.environ.get("XDG_RUNTIME_DIR")
        if base is None or not Path(base).is_dir():
            base = tempfile.gettempdir()
        directory = Path(base) / f"synaptic-crdt-{os.getuid()}"
        directory.mkdir(mode=_PRIVATE_DIRECTORY, exist_ok=True)
        status = directory.lstat()
        if (
            not stat.S_ISDIR(status.st_mode)
            or status.st_uid != os.getuid()
            or status.st_mode & 0o077
        ):
            raise UsageError(f"{directory} is not private to this user; remove it and try again")
        name = compute_hash("home", os.fsencode(self.path.resolve()))[:_SOCKET_NAME_BYTES]
        return directory / f"{name.hex()}.sock"


class HomeLock:
    """The right to use a home's store. Released when closed, or when the process ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: Final = descriptor

    @classmethod
    def try_take(cls, home: Home) -> "HomeLock | None":
        """Take the lock of a home if nobody holds it; never wait."""
        descriptor = os.open(home.lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE_FILE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return cls(descriptor)

    def close(self) -> None:
        """Let others own the home."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def get_default_home() -> Path:
    """Return the home used when none is named."""
    return Path(platformdirs.user_data_path("synaptic-crdt", appauthor=False))


def write_privately(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all, durable on return.

    Raises ``StoreFailed``.
    """
    try:
        _write_privately(path, data)
    except OSError as error:
        raise StoreFailed(f"{path}: {error.strerror}; nothing was written") from error


def _write_privately(path: Path, data: bytes) -> None:
    new = path.with_name(path.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    sync_folder(path.parent)
