"""One target under the coverage-guided fuzzer, in a process of its own.

``python -m tests.fuzzing.engine NAME [libFuzzer option or folder]...``: the first folder is where
new inputs are put. The program's modules are loaded so that every branch and comparison of theirs
is seen; the process ends with status 77 at the first failure, and its input is left behind.
"""

import importlib
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from random import Random
from typing import Protocol, cast

from tests.fuzzing.target import Change

_OWN_CHANGES_OF = 8  # in so many, all but one are the target's own; the other one is libFuzzer's


class Fuzzer(Protocol):
    """What is used of atheris, which has no types of its own."""

    def instrument_imports(self, include: Sequence[str]) -> AbstractContextManager[None]: ...

    def Mutate(self, data: bytes, max_size: int) -> bytes: ...  # noqa: N802

    def Setup(  # noqa: N802
        self,
        arguments: Sequence[str],
        run: Callable[[bytes], None],
        *,
        custom_mutator: Callable[[bytes, int, int], bytes],
    ) -> object: ...

    def Fuzz(self) -> None: ...  # noqa: N802


def main(name: str, options: Sequence[str]) -> None:
    """Run a target until the options say that it is enough, or it fails."""
    fuzzer = cast("Fuzzer", importlib.import_module("atheris"))
    with fuzzer.instrument_imports(include=["synaptic_crdt"]):
        targets = importlib.import_module("tests.fuzzing.targets")
    target = targets.TARGETS[name]
    mutate = _make_mutator(fuzzer, target.change)
    fuzzer.Setup([sys.argv[0], *options], target.run, custom_mutator=mutate)
    fuzzer.Fuzz()


def _make_mutator(fuzzer: Fuzzer, change: Change) -> Callable[[bytes, int, int], bytes]:
    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        random = Random(seed)
        if not random.randrange(_OWN_CHANGES_OF):
            return fuzzer.Mutate(data, max_size)
        changed = change(bytes(data), random)
        return changed if len(changed) <= max_size else fuzzer.Mutate(data, max_size)

    return mutate


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
