"""Folders that are there after a power cut, and still know their files then.

A file that was synced has its content; its name is durable once its folder was synced, and so is
the folder's own name once the one above it was. File systems differ in how much of that they do
unasked, so nothing here counts on it.
"""

import os
from contextlib import suppress
from pathlib import Path


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make a folder where there is none; durable on return. Raises ``OSError``."""
    if not folder.is_dir():
        folder.mkdir(mode=mode, exist_ok=True)
        sync_name(folder)


def make_folders(folder: Path, mode: int) -> None:
    """Make a folder, and those above it that are missing, as ``make_folder`` does.

    ``mode`` is for the folder itself.
    """
    if not folder.is_dir():
        make_folders(folder.parent, 0o777)
        make_folder(folder, mode)


def sync_name(folder: Path) -> None:
    """Make durable that there is a folder. Raises ``OSError``."""
    # What is above may belong to others, who need not let it be read; then nobody here can.
    with suppress(PermissionError):
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make durable which files and folders a folder has. Raises ``OSError``."""
    _sync(folder, os.O_DIRECTORY)


def sync_if_there(*paths: Path) -> None:
    """Make durable what files hold and folders have, of those that exist. Raises ``OSError``."""
    for path in paths:
        with suppress(FileNotFoundError):
            _sync(path, 0)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
