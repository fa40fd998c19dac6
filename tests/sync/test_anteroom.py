"""Who waits for its turn: nobody while few come, and of a crowd the ones that may be honest first."""

import pytest
import trio
import trio.testing

from synaptic_crdt.errors import LinkFailed
from synaptic_crdt.sync import anteroom as module
from synaptic_crdt.sync.anteroom import Anteroom

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "trio"


class Crowd:
    """Visitors by name, whose turn is noted."""

    def __init__(self, nursery: trio.Nursery, good: str = "") -> None:
        self.anteroom = Anteroom(lambda host: host == good)
        self.called: list[str] = []
        self.put_out: list[str] = []
        self._nursery = nursery

    async def come(self, host: str, name: str) -> None:
        self._nursery.start_soon(self._wait, host, name)
        await trio.testing.wait_all_tasks_blocked()

    async def let_through(self) -> None:
        self._nursery.start_soon(self.anteroom.run)
        await trio.testing.wait_all_tasks_blocked()

    async def _wait(self, host: str, name: str) -> None:
        try:
            await self.anteroom.wait(host)
        except LinkFailed:
            self.put_out.append(name)
        else:
            self.called.append(name)


async def test_each_host_has_its_turn_and_who_came_last_goes_first() -> None:
    async with trio.open_nursery() as nursery:
        crowd = Crowd(nursery)
        for host, name in (("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("c", "c1")):
            await crowd.come(host, name)
        await crowd.let_through()
        assert crowd.called == ["a3", "b1", "c1", "a2", "a1"]
        # While few come, nobody waits.
        await crowd.come("a", "a4")
        assert crowd.called[-1] == "a4"
        nursery.cancel_scope.cancel()


async def test_a_host_that_is_known_goes_before_a_crowd_that_is_not() -> None:
    async with trio.open_nursery() as nursery:
        crowd = Crowd(nursery, good="home")
        for number in range(10):
            await crowd.come(f"crowd {number}", f"{number}")
        await crowd.come("home", "honest")
        await crowd.let_through()
        assert crowd.called[0] == "honest"
        assert len(crowd.called) == 11
        nursery.cancel_scope.cancel()


async def test_of_too_many_the_oldest_goes_of_the_host_that_has_the_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PLACES", 4)
    async with trio.open_nursery() as nursery:
        crowd = Crowd(nursery)
        await crowd.come("home", "honest")
        for number in range(10):
            await crowd.come("crowd", f"{number}")
        assert crowd.put_out == [f"{number}" for number in range(7)]
        await crowd.let_through()
        assert set(crowd.called) == {"honest", "7", "8", "9"}
        nursery.cancel_scope.cancel()


async def test_who_goes_while_it_waits_leaves_nothing_behind() -> None:
    async with trio.open_nursery() as nursery:
        crowd = Crowd(nursery)
        with trio.move_on_after(0):
            await crowd.anteroom.wait("gone")
        await crowd.come("a", "a1")
        await crowd.let_through()
        assert crowd.called == ["a1"]
        nursery.cancel_scope.cancel()
