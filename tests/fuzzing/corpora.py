"""The kept inputs: one file a target, one input a line, in hexadecimal."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from tests.fuzzing.target import Target

FOLDER: Final = Path(__file__).parent / "corpora"
# Of a target, as its weight is; the smallest inputs that reach something new are kept.
_KEPT_BYTES: Final = 8 * 1024
_WEIGHT: Final = 4


def read_corpus(name: str) -> Sequence[bytes]:
    """Return the kept inputs of a target, those that once were failures among them."""
    path = FOLDER / f"{name}.txt"
    return [bytes.fromhex(line) for line in path.read_text("ascii").splitlines()]


def get_room(target: Target) -> int:
    """Return how many bytes of inputs of a target are kept."""
    return _KEPT_BYTES * min(target.weight, _WEIGHT)


def write_corpus(target: Target, inputs: Iterable[bytes]) -> int:
    """Keep inputs of a target, the shortest first, as far as there is room; return how many."""
    kept: list[bytes] = []
    size = 0
    for data in sorted(set(inputs), key=lambda each: (len(each), each)):
        size += len(data)
        if size > get_room(target):
            break
        kept.append(data)
    FOLDER.mkdir(exist_ok=True)
    text = "".join(f"{data.hex()}\n" for data in kept)
    (FOLDER / f"{target.name}.txt").write_text(text, "ascii")
    return len(kept)
