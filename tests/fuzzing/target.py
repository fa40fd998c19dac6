"""What is fuzzed: a function of bytes from outside, and inputs that it takes for good."""

from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

# Returns an input that differs from another one by a change or two.
Change = Callable[[bytes, Random], bytes]


class Target(NamedTuple):
    """One way in, or one decoder.

    ``run`` raises for whatever is a defect: an exception that is not documented, a property that
    does not hold. ``make_seeds`` returns inputs that get far. ``change`` knows the form of inputs,
    so that what it returns is seldom refused at the first byte.
    """

    name: str
    run: Callable[[bytes], None]
    make_seeds: Callable[[], Sequence[bytes]]
    change: Change
    # The share of a whole run, against the others.
    weight: int = 1
