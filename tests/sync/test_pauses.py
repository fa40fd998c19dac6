"""Pauses double up to a minute, differ by up to a half, and are short again after a success."""

from synaptic_crdt.sync.pauses import LONGEST_SECONDS, Pauses


def test_pauses_double_up_to_a_minute_and_differ_by_up_to_a_half() -> None:
    pauses = Pauses(0.5)
    for number in range(10):
        middle = min(0.5 * 2**number, LONGEST_SECONDS)
        assert middle / 2 <= pauses.take_seconds() <= middle * 1.5


def test_after_a_success_the_first_pause_comes_again() -> None:
    pauses = Pauses(1.0)
    for _ in range(8):
        pauses.take_seconds()
    pauses.begin_anew()
    assert pauses.take_seconds() <= 1.5


def test_two_that_lost_the_same_do_not_come_back_together() -> None:
    ones, others = Pauses(1.0), Pauses(1.0)
    assert [ones.take_seconds() for _ in range(8)] != [others.take_seconds() for _ in range(8)]
