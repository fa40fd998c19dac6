"""Choosing what is kept of all that the fuzzer found: a few short inputs that reach as much."""

import sys
from collections.abc import Iterable
from types import CodeType, FrameType
from typing import Any, Final

from tests.fuzzing.corpora import get_room
from tests.fuzzing.target import Target

_PACKAGE: Final = "synaptic_crdt"
# From which line to which, in which function.
_Step = tuple[CodeType, int, int]


def choose(target: Target, inputs: Iterable[bytes]) -> list[bytes]:
    """Return inputs that each reach something new, the shortest first, as far as there is room.

    An input that is a failure is passed over: it is to be kept with the failures.
    """
    reached: set[_Step] = set()
    chosen: list[bytes] = []
    room = get_room(target)
    for data in sorted(set(inputs), key=lambda each: (len(each), each)):
        if len(data) > room:
            break
        steps = trace(target, data)
        if not steps <= reached:
            reached |= steps
            chosen.append(data)
            room -= len(data)
    return chosen


def trace(target: Target, data: bytes) -> set[_Step]:
    """Return the steps from line to line that the program takes with an input."""
    steps: set[_Step] = set()

    def enter(frame: FrameType, event: str, argument: object) -> Any:  # noqa: ANN401 - a tracer
        del event, argument
        code = frame.f_code
        if _PACKAGE not in code.co_filename:
            return None
        last = 0

        def step(frame: FrameType, event: str, argument: object) -> Any:  # noqa: ANN401 - as above
            nonlocal last
            del event, argument
            steps.add((code, last, frame.f_lineno))
            last = frame.f_lineno
            return step

        return step

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        target.run(data)
    except Exception:  # noqa: BLE001 - a failure, whatever it is
        return set()
    finally:
        sys.settrace(before)
    return steps
