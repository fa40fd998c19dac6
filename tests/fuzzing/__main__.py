"""Look for inputs that break something, target by target; see docs/fuzzing.md.

``python -m tests.fuzzing [NAME|all] [SECONDS]``: so long for each target, weighted ones longer.
What is found on the way stays in build/fuzzing and is begun with the next time. A failure is made
small, named with the command that shows it again, and ends the run with status 1.

``python -m tests.fuzzing keep [NAME]`` chooses anew what is kept beside the tests.
"""

import hashlib
import re
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.fuzzing.choosing import choose
from tests.fuzzing.corpora import read_corpus, write_corpus
from tests.fuzzing.target import Target
from tests.fuzzing.targets import TARGETS

ROOT: Final = Path(__file__).parents[2]
_INPUT_BYTES: Final = 16_384
_INPUT_SECONDS: Final = 20
_MEMORY_MIB: Final = 1_024
_SHRINKING_SECONDS: Final = 30
_OPTIONS: Final = (
    f"-max_len={_INPUT_BYTES}",
    f"-timeout={_INPUT_SECONDS}",
    f"-rss_limit_mb={_MEMORY_MIB}",
    "-print_final_stats=1",
)


class Figures(NamedTuple):
    """What a run of one target came to; ``edges`` are those of the program that were reached."""

    name: str
    executions: int
    wall_seconds: float
    cpu_seconds: float
    edges: int
    failures: int


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments name; return the exit status."""
    what, rest = (arguments[0] if arguments else "all"), list(arguments[1:])
    if what == "keep":
        for name in rest or TARGETS:
            say(f"{name}: {keep(TARGETS[name])} inputs kept")
        return 0
    if what != "all" and what not in TARGETS:
        say(f"no target is named {what!r}; there are {', '.join(TARGETS)}")
        return 2
    seconds = float(rest[0]) if rest else 60.0
    is_clean = True
    for target in TARGETS.values() if what == "all" else [TARGETS[what]]:
        figures = run(target, seconds * (target.weight if what == "all" else 1))
        say(
            f"{figures.name}: {figures.executions:,} inputs in {figures.wall_seconds:.0f} s"
            f" ({figures.cpu_seconds:.0f} s of a processor), {figures.edges:,} edges,"
            f" {figures.failures} failures"
        )
        is_clean = is_clean and not figures.failures
    return 0 if is_clean else 1


def run(target: Target, seconds: float) -> Figures:
    """Fuzz a target for so long, or until it fails."""
    corpus, failures, log = prepare(target)
    begun, used = time.monotonic(), _get_children_seconds()
    known = set(failures.iterdir())
    with log.open("wb") as file:
        status = subprocess.run(
            [
                *_make_command(target.name), *_OPTIONS, f"-max_total_time={round(seconds)}",
                f"-artifact_prefix={failures}/", str(corpus),
            ],
            stdout=file, stderr=file, check=False, cwd=ROOT,
        ).returncode  # fmt: skip
    wall, cpu = time.monotonic() - begun, _get_children_seconds() - used
    text = log.read_text("utf-8", "replace")
    found = [path for path in failures.iterdir() if path not in known]
    for path in found:
        say(f"{target.name} FAILED: {shrink(target, path)}; its words are in {log}")
    if status and not found:
        say(f"{target.name} did not run; its words are in {log}")
    return Figures(
        target.name,
        _find_last(r"stat::number_of_executed_units:\s+(\d+)", text),
        wall,
        cpu,
        _find_last(r"cov: (\d+)", text),
        len(found) + (bool(status) and not found),
    )


def prepare(target: Target) -> tuple[Path, Path, Path]:
    """Return the folders of what is found, with all in them that is known, and of failures; a log."""
    folder = ROOT / "build" / "fuzzing" / target.name
    corpus, failures = folder / "corpus", folder / "failures"
    corpus.mkdir(parents=True, exist_ok=True)
    failures.mkdir(exist_ok=True)
    for data in (*target.make_seeds(), *read_corpus(target.name)):
        put(corpus, data)
    return corpus, failures, folder / "log"


def put(folder: Path, data: bytes) -> None:
    """Write an input to a file that is named by it."""
    (folder / hashlib.sha256(data).hexdigest()[:40]).write_bytes(data)


def shrink(target: Target, path: Path) -> str:
    """Make the input of a failure smaller, as far as a while allows; say how to show it again."""
    small = path.with_name(path.name + ".small")
    subprocess.run(
        [
            *_make_command(target.name), "-minimize_crash=1", f"-exact_artifact_path={small}",
            f"-max_total_time={_SHRINKING_SECONDS}", *_OPTIONS, str(path),
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, cwd=ROOT,
    )  # fmt: skip
    best = small if small.exists() else path
    return " ".join([*_make_command(target.name), str(best)])


def keep(target: Target) -> int:
    """Choose anew, of all inputs that are known, what is kept with the tests; return how many."""
    corpus, _, _ = prepare(target)
    chosen = choose(target, [path.read_bytes() for path in corpus.iterdir()])
    write_corpus(target, chosen)
    return len(chosen)


def say(line: str) -> None:
    """Write a line at once, since the next one may take an hour."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _make_command(name: str) -> list[str]:
    return [sys.executable, "-m", "tests.fuzzing.engine", name]


def _get_children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _find_last(pattern: str, text: str) -> int:
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
