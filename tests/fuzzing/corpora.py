"""The kept inputs: one file a target, one input a line, in hexadecimal.

What once was a failure is in a file of its own, which nobody chooses anew.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.fuzzing.target import Target

FOLDER: Final = Path(__file__).parent / "corpora"
# Of a target, as its weight is; the smallest inputs that reach something new are kept.
_KEPT_BYTES: Final = 8 * 1024
_WEIGHT: Final = 4


def read_corpus(name: str) -> Sequence[bytes]:
    """Return the kept inputs of a target, and those that once were failures; none if it is new."""
    paths = (FOLDER / f"{name}.txt", FOLDER / "failures" / f"{name}.txt")
    texts = [path.read_text("ascii") for path in paths if path.exists()]
    return [bytes.fromhex(line) for text in texts for line in text.splitlines()]


def get_room(target: Target) -> int:
    """Return how many bytes of inputs of a target are kept."""
    return _KEPT_BYTES * min(target.weight, _WEIGHT)


def write_corpus(target: Target, inputs: Sequence[bytes]) -> None:
    """Keep inputs of a target in place of those that were kept."""
    FOLDER.mkdir(exist_ok=True)
    text = "".join(f"{data.hex()}\n" for data in inputs)
    (FOLDER / f"{target.name}.txt").write_text(text, "ascii")
