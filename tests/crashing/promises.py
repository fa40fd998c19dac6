"""What a process has acknowledged, as it told its parent line by line until it died.

Told is a name with a value: ``is``, when the call that made it so has returned; ``may``, before a
call that changes it, since a crash within may leave either. So every name has the values that may be
found, and where only one is left, nothing else will do.
"""

import os
from collections.abc import Iterable
from typing import Final

import msgspec

# What is found where nothing is.
NOTHING: Final = ""


class Line(msgspec.Struct, frozen=True, array_like=True):
    """A thing told: that something ``is`` or ``may`` be, or which operation a process is ``at``."""

    kind: str
    name: str
    value: str = NOTHING


class Teller:
    """The process's end: every line is with the parent once this returns, whatever comes next."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: Final = descriptor

    def begin(self, operation: str) -> None:
        self._tell(Line("at", operation))

    def may(self, name: str, value: str) -> None:
        self._tell(Line("may", name, value))

    def acknowledge(self, name: str, value: str) -> None:
        self._tell(Line("is", name, value))

    def _tell(self, line: Line) -> None:
        data = msgspec.json.encode(line) + b"\n"
        assert os.write(self._descriptor, data) == len(data)


class Promises:
    """The parent's end."""

    def __init__(self) -> None:
        self._values: Final[dict[str, set[str]]] = {}
        # What the process was doing, and how many lines said that something is so.
        self.operation = "opening"
        self.acknowledged = 0

    @property
    def names(self) -> Iterable[str]:
        return self._values.keys()

    def take(self, data: bytes) -> None:
        """Take what was told; a last line that is not whole was not told."""
        for text in data.split(b"\n")[:-1]:
            line = msgspec.json.decode(text, type=Line)
            if line.kind == "at":
                self.operation = line.name
            elif line.kind == "may":
                self._values.setdefault(line.name, {NOTHING}).add(line.value)
            else:
                self._values[line.name] = {line.value}
                self.acknowledged += 1

    def allows(self, name: str, value: str) -> bool:
        return value in self._values[name]

    def explain(self, name: str) -> str:
        """Return the values that may be found."""
        return " or ".join(sorted(value or "nothing" for value in self._values[name]))
