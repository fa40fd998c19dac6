"""Flood a real program with all that hurts, and tell how an honest peer fared meanwhile.

``python -m tests.flooding SECONDS [ATTACK]...``: so many seconds for each attack, all of them if
none is named. Latencies are told beside the goal and are no gate; see docs/reliability.md.
"""

import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.flooding.attacker import ATTACKS
from tests.flooding.honest import Times
from tests.flooding.running import Flood, run_flood, run_honest
from tests.flooding.scene import make_scene
from tests.flooding.server import serving

_MEMBERS: Final = 300
_ENTRIES: Final = 10  # of each member
_GOAL: Final = 5  # times the quiet figure
_QUIET_SECONDS: Final = 4.0


def main(arguments: Sequence[str]) -> None:
    """Run what the arguments name, and print some lines for each attack."""
    seconds = float(arguments[0]) if arguments else 20.0
    for attack in arguments[1:] or ATTACKS:
        with tempfile.TemporaryDirectory() as name:
            run_alone(attack, Path(name), seconds)


def run_alone(attack: str, folder: Path, seconds: float) -> None:
    """Attack a market of its own, as quiet as this machine is now before and after it."""
    make_scene(folder, members=_MEMBERS, entries=_ENTRIES)
    with serving(folder) as server:
        quiet = run_honest(server, folder, _QUIET_SECONDS)
        say(f"{attack}: before it: {describe(quiet, quiet)}")
        print_flood(run_flood(attack, server, folder, seconds), quiet)
        say(f"    after it: {describe(run_honest(server, folder, _QUIET_SECONDS), quiet)}")


def print_flood(flood: Flood, quiet: Times) -> None:
    """Print what came of a flood."""
    before, after = flood.before, flood.after
    processor = (after.processor_seconds - before.processor_seconds) / flood.seconds
    say(f"    under it: {describe(flood.times, quiet)}")
    say(f"    did {dict(flood.told)}")
    say(
        f"    memory {after.peak_mib:.0f} MiB (before {before.now_mib:.0f}, now"
        f" {after.now_mib:.0f}), processor {processor:.0%}, descriptors {after.descriptors},"
        f" log {after.log_bytes:,} bytes, told {after.told_lines - before.told_lines:,} lines"
        f" {after.told_bytes - before.told_bytes:,} bytes"
    )


def describe(times: Times, quiet: Times) -> str:
    """Return both latencies, each beside the quiet one."""
    told = [
        f"{word} {describe_one(ours, theirs)}"
        for word, ours, theirs in (
            ("dialled", times.dialled, quiet.dialled),
            ("live", times.live, quiet.live),
        )
    ]
    return f"{', '.join(told)}; {times.lost} lost, {times.again} again, {times.relinked} relinked, {times.why}"


def describe_one(times: Sequence[float], quiet: Sequence[float]) -> str:
    """Return a latency as median, 95th percentile and maximum, and how often the quiet median."""
    if not times or not quiet:
        return "never"
    ordered, median = sorted(times), statistics.median(times)
    late = ordered[int(len(ordered) * 0.95)]
    ratio = median / statistics.median(quiet)
    word = "" if ratio <= _GOAL else f" OVER THE GOAL OF {_GOAL}x"
    return f"{len(times)}: {median:.0f}/{late:.0f}/{ordered[-1]:.0f} ms {ratio:.1f}x{word}"


def say(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
