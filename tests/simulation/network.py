"""A simulated network between homes: real sessions, and everything that can befall what they say.

A link is two ends and a line each way. What an end says goes in chunks of any size, each of which
takes its time; the two lines of a link may be very unequal. A healthy link is asked for more than
any network can promise: that neither end is ever wrong about the other, and that both get done.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final, TypeVar, cast

from synaptic_crdt.errors import LinkFailed, StoreFailed, SynapticError
from synaptic_crdt.state import limits
from tests.simulation.homes import Home
from tests.simulation.timeline import Timeline
from tests.sync.conftest import End

# As long as a link waits for whoever says nothing.
IDLE_MS: Final = 60_000
# What an end says before any of it has arrived.
_WINDOW_BYTES: Final = (1_500, 1 << 16, 1 << 20)

T = TypeVar("T")

# What befalls links, as it is counted.
BEFALLS: Final = (
    *("link cut", "line stalled", "chunk lost", "bit flipped", "chunks swapped"),
    *("chunk repeated", "closed: parted", "closed: idle", "closed: left", "live link"),
)

# What is done to bytes on a line, to be told from what the other end said.
Change = Callable[[bytes, Random], bytes]


class LinkBroken(AssertionError):
    """A link that nobody disturbed did not do what it is there for."""


@dataclass(frozen=True)
class Weather:
    """What befalls a link, and how often; chances are of each chunk."""

    latency_ms: tuple[int, int] = (1, 1)
    jitter_ms: int = 0
    cut: float = 0.0
    stall: float = 0.0
    lose: float = 0.0
    repeat: float = 0.0
    swap: float = 0.0
    flip: float = 0.0

    @property
    def is_rough(self) -> bool:
        """Do bytes arrive that nobody sent like this?"""
        return bool(self.lose or self.repeat or self.swap or self.flip)


FINE: Final = Weather()


class Line:
    """One direction of a link."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.free_ms = 0
        self.is_stalled = False
        self.has_ended = False
        self.kept_back: bytes | None = None


class Link:
    """Two homes that exchange what they hold, once or for as long as it lasts."""

    def __init__(
        self,
        network: "Network",
        homes: tuple[Home, Home],
        chance: Random,
        weather: Weather,
        *,
        live: bool,
        lie: Change | None,
    ) -> None:
        self.homes: Final = homes
        self.weather: Final = weather
        # The first end lies, if any does.
        self.lie: Final = lie
        self.is_open = True
        self._network: Final = network
        self._chance: Final = chance
        self._window: Final = chance.choice(_WINDOW_BYTES)
        self._ends: Final = tuple(
            End(cast("Any", home), live, chance.randbytes(limits.NONCE_BYTES)) for home in homes
        )
        self._gates: Final = tuple(home.gate for home in homes)
        self._lines: Final = (Line(), Line())
        self._moved_ms = network.timeline.now_ms
        for gate in self._gates:
            gate.news.subscribe(self._note_news)
        network.timeline.call_in(IDLE_MS, self._watch)

    @property
    def is_disturbed(self) -> bool:
        """Does somebody lie on this link, or alter what is said on it?"""
        return self.lie is not None or self.weather.is_rough

    def speak(self) -> None:
        """Send what either end has to say, as far as there is room on its line."""
        self._speak(0)
        self._speak(1)

    def close(self, reason: str) -> None:
        """End it, for both ends."""
        if not self.is_open:
            return
        self.is_open = False
        for end, gate in zip(self._ends, self._gates, strict=True):
            end.session.close()
            gate.news.unsubscribe(self._note_news)
            gate.news.unsubscribe(end.session.note_news)
        self._network.note_closed(self, reason)

    # ------------------------------------------------------------------------------------------

    def _speak(self, number: int) -> None:
        end, line = self._ends[number], self._lines[number]
        while self.is_open and line.in_flight < self._window:
            data = self._try(end.take_output)
            if not data:
                break
            self._send(number, data)
        if self.is_open and end.session.is_finished and not line.has_ended:
            line.has_ended = True
            self._deliver_later(number, b"")

    def _send(self, number: int, data: bytes) -> None:
        chance, weather, line = self._chance, self.weather, self._lines[number]
        if self.lie is not None and number == 0:
            data = self.lie(data, chance)
        while data and self.is_open:
            size = len(data) if chance.random() < 0.7 else chance.randint(1, len(data))
            chunk, data = data[:size], data[size:]
            roll = chance.random
            if weather.cut and roll() < weather.cut:
                self._network.note("link cut")
                self._deliver_later(number, chunk[: chance.randint(1, len(chunk))])
                line.is_stalled = True
                self._network.timeline.call_in(
                    weather.latency_ms[number] + weather.jitter_ms, lambda: self.close("cut")
                )
                return
            if weather.stall and roll() < weather.stall:
                self._network.note("line stalled")
                line.is_stalled = True
            if weather.lose and roll() < weather.lose:
                self._network.note("chunk lost")
                continue
            if weather.flip and roll() < weather.flip:
                self._network.note("bit flipped")
                place = chance.randrange(len(chunk))
                flipped = chunk[place] ^ 1 << chance.randrange(8)
                chunk = chunk[:place] + bytes((flipped,)) + chunk[place + 1 :]
            if weather.swap and line.kept_back is None and roll() < weather.swap:
                self._network.note("chunks swapped")
                line.kept_back = chunk
                continue
            if weather.repeat and roll() < weather.repeat:
                self._network.note("chunk repeated")
                self._deliver_later(number, chunk)
            self._deliver_later(number, chunk)
            if line.kept_back is not None:
                self._deliver_later(number, line.kept_back)
                line.kept_back = None

    def _deliver_later(self, number: int, chunk: bytes) -> None:
        line, timeline = self._lines[number], self._network.timeline
        if line.is_stalled:
            return
        line.in_flight += len(chunk)
        latency = self.weather.latency_ms[number] + self._chance.randint(0, self.weather.jitter_ms)
        line.free_ms = max(line.free_ms, timeline.now_ms + latency)
        timeline.call_in(line.free_ms - timeline.now_ms, lambda: self._deliver(number, chunk))

    def _deliver(self, number: int, chunk: bytes) -> None:
        if not self.is_open:
            return
        line, end = self._lines[number], self._ends[1 - number]
        had_room = line.in_flight < self._window
        line.in_flight -= len(chunk)
        self._moved_ms = self._network.timeline.now_ms
        if chunk:
            self._try(lambda: end.receive(chunk))
        else:
            self._try(end.session.receive_end)
            if self.is_open and end.session.is_finished:
                self.close("done")
        self._speak(1 - number)
        if not had_room:
            self._speak(number)
        self._network.pass_on()

    def _try(self, deed: Callable[[], T]) -> T | None:
        """Do what an end of a link does; its failures end the link, and nothing else."""
        try:
            return self._network.guard(deed)
        except StoreFailed:
            self.close("store failed")
        except LinkFailed:
            # Something changed under its feet, such as who closes epochs: the next one gets on.
            self.close("to begin anew")
        except SynapticError as error:
            if not self.is_disturbed:
                raise LinkBroken(f"an honest link ended with {error!r}") from error
            self.close(type(error).__name__)
        return None

    def _note_news(self, devices: object) -> None:
        del devices
        self._network.has_news = True

    def _watch(self) -> None:
        if not self.is_open:
            return
        timeline = self._network.timeline
        left_ms = self._moved_ms + IDLE_MS - timeline.now_ms
        is_done = all(end.session.is_reconciled for end in self._ends)
        if left_ms > 0 or is_done:
            timeline.call_in(max(left_ms, IDLE_MS), self._watch)
            return
        is_stalled = any(line.is_stalled for line in self._lines)
        if not self.is_disturbed and not is_stalled:
            raise LinkBroken("an honest link that nobody disturbed got stuck")
        self.close("idle")


class Network:
    """All links, and who can reach whom."""

    def __init__(self, timeline: Timeline, guard: Callable[[Callable[[], Any]], Any]) -> None:
        self.timeline: Final = timeline
        self.guard: Final = guard
        self.links: list[Link] = []
        self.has_news = False
        # How often what befell it.
        self.counts: Final[Counter[str]] = Counter()
        self._parts: dict[Home, int] = {}

    def note(self, what: str) -> None:
        """Count something that happened."""
        self.counts[what] += 1

    def connect(
        self,
        one: Home,
        other: Home,
        chance: Random,
        weather: Weather = FINE,
        *,
        live: bool = False,
        lie: Change | None = None,
    ) -> Link | None:
        """Begin a link, unless the two cannot reach each other."""
        if one is other or self._parts.get(one, 0) != self._parts.get(other, 0):
            return None
        link = Link(self, (one, other), chance, weather, live=live, lie=lie)
        self.links.append(link)
        self.note("live link" if live else "link")
        link.speak()
        self.pass_on()
        return link

    def part(self, parts: dict[Home, int]) -> None:
        """Let those in one part reach only each other; links between parts are cut."""
        self._parts = parts
        for link in [*self.links]:
            one, other = link.homes
            if parts.get(one, 0) != parts.get(other, 0):
                link.close("parted")

    def leave(self, home: Home) -> None:
        """Cut every link of a home, as its end does."""
        for link in [*self.links]:
            if home in link.homes:
                link.close("left")

    def note_closed(self, link: Link, reason: str) -> None:
        """Take note that a link is closed."""
        self.links.remove(link)
        self.note(f"closed: {reason}")

    def pass_on(self) -> None:
        """Let every end say what it has to say of news, if there are any."""
        while self.has_news:
            self.has_news = False
            for link in [*self.links]:
                link.speak()
