"""A flood of everything at once, a short one, against the real program: it serves on, and is bounded."""

from pathlib import Path

from synaptic_crdt.node.event_log import LOG_BYTES
from tests.flooding.running import BOUND_MIB, run_flood, run_honest
from tests.flooding.scene import make_scene
from tests.flooding.server import serving

SECONDS = 2.0
TOLD_LINES = 1_500  # so many at once, and a few more each second


def test_an_honest_peer_is_served_meanwhile_and_memory_stays_bounded(tmp_path: Path) -> None:
    make_scene(tmp_path, members=16, entries=4)
    with serving(tmp_path) as server:
        quiet = server.measure()
        flood = run_flood("mixed", server, tmp_path, SECONDS)
        assert flood.told["connections"] > 64
        assert flood.times.dialled
        assert flood.times.live
        assert flood.after.peak_mib - quiet.now_mib < BOUND_MIB
        assert flood.after.told_lines < TOLD_LINES
        assert flood.after.log_bytes <= 2 * LOG_BYTES
        # What was before goes on after it, and nothing has failed that is run again.
        after = run_honest(server, tmp_path, 0.0)
        assert after.dialled
        assert after.live
        assert not [each for each in server.read_told() if each["event"] == "service failed"]
        found = [finding["name"] for finding in server.ask("doctor")["findings"]]
        assert "damaged" not in found
