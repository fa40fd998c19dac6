"""Mistakes put into the program on purpose, to see that crashes find them.

Each is one that somebody could make: a step left out or out of order. They last as long as the
process that plants them.
"""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Final

from synaptic_crdt import folders
from synaptic_crdt.exec import journal, usage
from synaptic_crdt.node import blobs, home, key_ring, partials
from synaptic_crdt.node.home import Home
from synaptic_crdt.state import store
from synaptic_crdt.state.store import Store
from synaptic_crdt.sync import files
from synaptic_crdt.sync.transports import shelf


def acknowledge_early() -> None:
    """A write is done when the next one comes."""
    write: Callable[..., None] = Store.write
    waiting: dict[int, Any] = {}

    def write_later(self: Store, **arguments: object) -> None:
        before = waiting.pop(id(self), None)
        waiting[id(self)] = arguments
        if before is not None:
            write(self, **before)

    _replace(Store, "write", write_later)


def commit_nothing_together() -> None:
    """Rows are written one by one instead of in a transaction."""

    @contextmanager
    def nothing(_: object) -> Generator[None]:
        yield

    _replace(store, "transaction", nothing)


def leave_synchronous_off() -> None:
    """SQLite syncs nothing: ``PRAGMA synchronous = OFF``."""
    _set_synchronous("OFF")


def leave_commits_unsynced() -> None:
    """SQLite syncs its log only when it moves it: ``PRAGMA synchronous = NORMAL``."""
    _set_synchronous("NORMAL")


def drop_the_log() -> None:
    """What SQLite's log holds is cleared away when a store is opened."""
    opened: Callable[[Path], Store] = Store.open

    def open_cleared(path: Path) -> Store:
        Path(f"{path}-wal").unlink(missing_ok=True)
        return opened(path)

    _replace(Store, "open", staticmethod(open_cleared))


def leave_files_unsynced() -> None:
    """A home's own files are renamed into place without ``fsync``."""
    _take_sync(home)


def leave_folders_unsynced() -> None:
    """Files are synced, and the folders that name them are not."""
    _take_sync(folders)


def write_in_place() -> None:
    """A home's own files are written over, instead of beside and renamed."""

    def write(path: Path, data: bytes) -> None:
        path.touch(mode=0o600)
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        files.sync_folder(path.parent)

    _replace(home, "_write_privately", write)


def make_folders_unsynced() -> None:
    """A new folder is not made durable in the one above it."""

    def make(folder: Path, mode: int = 0o777) -> None:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)

    for module in (blobs, journal, key_ring, partials):
        _replace(module, "make_folder", make)


def show_what_is_unsynced() -> None:
    """What a process that was killed left unsynced is shown to others at once."""

    def skip(_: Home) -> None:
        pass

    _replace(Home, "sync_what_is_left", skip)


def leave_usage_unsynced() -> None:
    """The record of usage is written without ``fsync``."""
    _take_sync(usage)


def leave_bundles_unsynced() -> None:
    """Bundles are renamed into place without ``fsync``."""
    _take_sync(files)


def leave_shared_unsynced() -> None:
    """Files in shared folders are renamed into place without ``fsync``."""
    _take_sync(shelf)


def leave_blobs_unsynced() -> None:
    """Fetched blobs are moved into place without ``fsync``."""
    _take_sync(partials)


def rename_too_early() -> None:
    """A home's own files are renamed into place before they are written."""

    def write(path: Path, data: bytes) -> None:
        new = path.with_name(path.name + ".new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            new.replace(path)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        files.sync_folder(path.parent)

    _replace(home, "_write_privately", write)


PLANTS: Final[dict[str, Callable[[], None]]] = {
    plant.__name__.replace("_", "-"): plant
    for plant in (
        acknowledge_early,
        commit_nothing_together,
        drop_the_log,
        write_in_place,
        rename_too_early,
        leave_synchronous_off,
        leave_commits_unsynced,
        leave_files_unsynced,
        leave_folders_unsynced,
        make_folders_unsynced,
        show_what_is_unsynced,
        leave_usage_unsynced,
        leave_bundles_unsynced,
        leave_shared_unsynced,
        leave_blobs_unsynced,
    )
}


def _set_synchronous(mode: str) -> None:
    begin: Callable[..., None] = Store.__init__

    def begin_loosely(self: Store, *arguments: Any) -> None:  # noqa: ANN401 - as they come
        begin(self, *arguments)
        self._connection.execute(f"PRAGMA synchronous = {mode}")

    _replace(Store, "__init__", begin_loosely)


def _take_sync(module: ModuleType) -> None:
    """Let a module's calls of ``os.fsync`` do nothing."""

    def sync(descriptor: int) -> None:
        del descriptor

    _replace(module, "os", SimpleNamespace(**{**vars(os), "fsync": sync}))


def _replace(owner: object, name: str, value: object) -> None:
    setattr(owner, name, value)
