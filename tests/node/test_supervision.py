"""One part of a service fails; the others go on, and it is told and run again."""

from typing import Any

import pytest
import trio
import trio.testing

from synaptic_crdt.errors import LinkFailed, UsageError
from synaptic_crdt.node.board import Board
from synaptic_crdt.node.supervision import supervise

pytestmark = pytest.mark.anyio
Json = dict[str, Any]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


class Part:
    """Fails as often as it is told to, then ends."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.began: list[float] = []

    async def run(self) -> None:
        self.began.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if self.failures:
            raise self.failures.pop(0)


def make_board() -> Board:
    return Board(lambda: 5)


async def test_what_fails_is_told_and_run_again_after_pauses_that_grow() -> None:
    board, events = make_board(), list[Json]()
    part = Part(*[LinkFailed(f"gone {number}") for number in range(9)])
    await supervise(board, events.append, "links", part.run)
    assert [event["error"] for event in events] == [f"gone {number}" for number in range(9)]
    pauses = [after - before for before, after in zip(part.began, part.began[1:], strict=False)]
    assert all(0.5 <= pause <= 90 for pause in pauses)
    assert pauses[-1] >= 30
    assert board.services == ()


async def test_a_failure_stands_on_the_board_until_it_is_run_again() -> None:
    board, events = make_board(), list[Json]()
    async with trio.open_nursery() as nursery:
        part = Part(ExceptionGroup("several", [LinkFailed("the port is taken\nreally")]))
        nursery.start_soon(supervise, board, events.append, "listen", part.run)
        await trio.testing.wait_all_tasks_blocked()
        (service,) = board.services
        assert (service.name, service.error, service.failures) == (
            "listen",
            "the port is taken",
            1,
        )
        assert service.retry_ms is not None
        assert service.retry_ms > 5


async def test_a_mistake_of_ours_ends_nothing_else() -> None:
    board, events = make_board(), list[Json]()
    broken, sound = Part(KeyError("x"), KeyError("y")), Part()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervise, board, events.append, "broken", broken.run)
        nursery.start_soon(supervise, board, events.append, "sound", sound.run)
    assert len(broken.began) == 3
    assert "a mistake in this program" in events[0]["error"]
    assert "KeyError" in events[0]["error"]


async def test_what_cannot_be_is_raised_at_the_beginning_and_only_then() -> None:
    board, events = make_board(), list[Json]()
    with pytest.raises(UsageError, match="no address"):
        await supervise(
            board, events.append, "listen", Part(UsageError("no address")).run, is_strict=True
        )
    assert events == []
    later = Part(LinkFailed("taken"), UsageError("no address"))
    await supervise(board, events.append, "listen", later.run, is_strict=True)
    assert len(events) == 2


async def test_being_stopped_is_no_failure() -> None:
    board, events = make_board(), list[Json]()
    with trio.move_on_after(5):
        await supervise(board, events.append, "idle", trio.sleep_forever)
    assert (events, board.services) == ([], ())


def test_a_service_that_is_to_be_alone_is() -> None:
    board = make_board()
    with board.running("provide", is_only=True):
        with pytest.raises(UsageError, match="`provide` runs on this home already"):
            board.running("provide", is_only=True).__enter__()
        with board.running("listen"), board.running("listen"):
            assert [service.name for service in board.services] == ["provide", "listen", "listen"]
    assert not board.has("provide")
