"""What is told of links: everything of a few, and of a flood no more than somebody can read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synaptic_crdt.node import sieve as module
from synaptic_crdt.node.sieve import Sieve
from synaptic_crdt.node.wire import Json


class Listening:
    """A sieve with a clock that is set by hand, and what came through it."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.told: list[Json] = []
        self.sieve = Sieve(self.told.append, lambda: self.now)

    def say(self, event: str, address: str, **fields: object) -> None:
        self.sieve.pass_on({"event": event, "address": address, **fields})

    def move(self, address: str, size: int) -> None:
        self.sieve.pass_progress({"event": "progress", "address": address, "bytes": size})

    def get(self, event: str) -> list[Json]:
        return [each for each in self.told if each["event"] == event]


@pytest.fixture
def listening() -> Listening:
    return Listening()


def test_of_a_few_links_everything_is_told_in_order(listening: Listening) -> None:
    for event in ("linked", "greeted", "synced", "lost"):
        listening.say(event, "tcp://a:1")
    assert [each["event"] for each in listening.told] == ["linked", "greeted", "synced", "lost"]


def test_a_flood_from_one_host_is_counted_and_others_are_told(listening: Listening) -> None:
    for number in range(10_000):
        listening.say("lost", f"tcp://bad:{number}")
    listening.say("linked", "tcp://good:1")
    assert len(listening.get("lost")) == module.HOST_LINES
    assert listening.told[-1]["event"] == "linked"
    # The first one that is left out is told of at once, the others once a minute.
    [first] = listening.get("untold")
    assert (first["address"], first["lines"]) == ("bad", 1)
    listening.now += module.SUMMARY_SECONDS
    listening.say("lost", "tcp://good:1")
    left = 10_000 - module.HOST_LINES - 1
    assert listening.get("untold")[1:] == [
        {"event": "untold", "address": "bad", "lines": left, "of_address": left}
    ]


def test_what_was_left_out_last_is_told_at_the_end(listening: Listening) -> None:
    for number in range(module.HOST_LINES + 3):
        listening.say("lost", f"tcp://bad:{number}")
    listening.sieve.close()
    assert sum(each["lines"] for each in listening.get("untold")) == 3
    listening.sieve.close()
    assert len(listening.get("untold")) == 2


@given(st.lists(st.tuples(st.integers(0, 2_000), st.floats(0, 0.1)), max_size=300))
def test_however_many_hosts_come_so_much_is_told(told: list[tuple[int, float]]) -> None:
    listening = Listening()
    for number in range(3_000):
        listening.say("lost", f"tcp://{number}:1")
    begun = len(listening.told)
    assert begun <= module.ALL_LINES + 1
    before = listening.now
    for host, pause in told:
        listening.now += pause
        listening.say("lost", f"tcp://{host}:1")
    allowed = 4 * (listening.now - before) + 1
    assert len(listening.get("lost")) - module.ALL_LINES <= allowed


def test_of_progress_the_newest_is_told_now_and_then(listening: Listening) -> None:
    listening.say("linked", "tcp://a:1")
    for size in range(1, 101):
        listening.move("tcp://a:1", size)
    assert [each["bytes"] for each in listening.get("progress")] == [1]
    listening.say("synced", "tcp://a:1")
    assert [each["bytes"] for each in listening.get("progress")] == [1, 100]
    assert listening.told[-1]["event"] == "synced"
    listening.now += module.PROGRESS_SECONDS
    listening.move("tcp://a:1", 101)
    listening.move("tcp://a:1", 102)
    listening.sieve.close()
    assert [each["bytes"] for each in listening.get("progress")] == [1, 100, 101, 102]


def test_of_a_link_that_was_left_out_no_progress_is_told(listening: Listening) -> None:
    for number in range(module.HOST_LINES + 1):
        listening.say("linked", f"tcp://bad:{number}")
    listening.move(f"tcp://bad:{module.HOST_LINES}", 1)
    assert not listening.get("progress")
    listening.move("tcp://bad:0", 1)
    listening.sieve.end_progress("tcp://bad:0", is_over=True)
    listening.move("tcp://bad:0", 2)
    assert [each["bytes"] for each in listening.get("progress")] == [1]
