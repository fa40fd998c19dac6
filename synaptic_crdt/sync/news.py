"""News: which feeds moved, told at once to whoever links, prints or folds in this process.

Callbacks run in the caller's turn, after what they tell of is durable and held; they only take a
note, so that a slow reader never delays a write.
"""

from collections.abc import Callable, Sequence
from typing import Final

Listener = Callable[[Sequence[bytes]], None]


class News:
    """Tells its listeners of newly held things: the devices whose feeds moved, if any did."""

    __slots__ = ("_listeners",)

    def __init__(self) -> None:
        self._listeners: Final[list[Listener]] = []

    def subscribe(self, listener: Listener) -> None:
        """Call ``listener`` after every admission; with no devices when statements came."""
        self._listeners.append(listener)

    def unsubscribe(self, listener: Listener) -> None:
        """Stop calling ``listener``."""
        self._listeners.remove(listener)

    def publish(self, devices: Sequence[bytes]) -> None:
        """Tell every listener."""
        for listener in tuple(self._listeners):
            listener(devices)
