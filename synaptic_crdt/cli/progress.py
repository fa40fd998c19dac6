"""A progress bar for work that takes a person's time: on a terminal only, and beside the answer."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

from synaptic_crdt.cli.command import get_settings

# What is smaller is done before anybody has read a bar.
_LARGE_BYTES: Final = 4 * 1024 * 1024


@contextmanager
def show_progress(what: str, size: int) -> Generator[Callable[[int], None] | None]:
    """Yield what is to be told how many of ``size`` bytes are done, or None when nobody looks."""
    if size < _LARGE_BYTES or get_settings().as_json or not sys.stderr.isatty():
        yield None
        return
    # Imported here: a bar is drawn for few.
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=size)
        yield lambda done: progress.update(task, completed=done)
