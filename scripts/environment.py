"""Makes `.venv` current: the package, what it needs and the wanted dependency groups, as pinned.

A current environment is left alone, without network and in a fraction of a second. Anything else
(missing, half made, moved, damaged, of another Python, older than the pins) is made anew; only a
missing group is added in place. A stamp that is written last says what the environment was made
from and which files it then had, so an interruption at any moment is seen the next time.

It does not find the interpreter: environment.sh runs it under the one to use. It uses the
standard library alone, since nothing is installed yet.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "current.json"
PYPROJECT = ROOT / "pyproject.toml"
CONSTRAINTS = ROOT / "constraints.txt"
PACKAGE = ROOT / "synaptic_crdt" / "__init__.py"  # holds the version, which is installed too

# Settings of the caller that would make Python or pip look or install somewhere else.
FOREIGN_SETTINGS = ("PYTHONHOME", "PYTHONPATH", "PIP_PREFIX", "PIP_TARGET", "PIP_USER")


class Stamp(NamedTuple):
    """What the environment was made from, and the sizes of its files when it was done."""

    key: str
    groups: list[str]
    files: dict[str, int]


def main(wanted: list[str]) -> int:
    """Make the environment hold the `wanted` groups; return the exit status."""
    with PYPROJECT.open("rb") as lock:
        # Two runs of make in one checkout: the second waits, then finds the work done.
        fcntl.flock(lock, fcntl.LOCK_EX)
        project = tomllib.load(lock)
        key = compute_key(project)
        stamp = read_stamp()
        if stamp is None or stamp.key != key or not is_intact(stamp):
            stamp = None
        held = set(stamp.groups if stamp else ())
        if stamp and held.issuperset(wanted):
            return 0
        groups = sorted(held.union(wanted))
        try:
            if stamp is None:
                create()
            install(project, groups)
        except subprocess.CalledProcessError:
            print(f"Could not set up {VENV}; the reason stands above.", file=sys.stderr)
            print(
                "If it is the network: run this again once the package index is in reach.",
                file=sys.stderr,
            )
            return 1
        write_stamp(key, groups)
    return 0


def compute_key(project: dict[str, Any]) -> str:
    """Hash everything that decides what gets installed, where, and by which Python."""
    parts = (
        str(ROOT),  # an environment does not survive being moved
        sys.version,
        sys.base_prefix,
        json.dumps([project[table] for table in ("build-system", "project", "dependency-groups")]),
        CONSTRAINTS.read_text("utf-8"),
        PACKAGE.read_text("utf-8"),
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def read_stamp() -> Stamp | None:
    """Return what the environment says of itself, or None if it says nothing sensible."""
    try:
        return Stamp(**json.loads(STAMP.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def is_intact(stamp: Stamp) -> bool:
    """Tell whether every recorded file is still there, whole, and the interpreter starts."""
    try:
        if any((VENV / name).stat().st_size != size for name, size in stamp.files.items()):
            return False
        command = [VENV / "bin" / "python", "-I", "-c", "import sys; print(sys.version, end='')"]
        found = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return False
    return found == sys.version


def create() -> None:
    """Make an empty environment in place of whatever is there."""
    version = sys.version.split()[0]
    print(f"Setting up .venv with CPython {version} (once; this takes a minute) ...", flush=True)
    if VENV.is_symlink() or VENV.is_file():
        VENV.unlink()
    elif VENV.exists():
        shutil.rmtree(VENV)
    # The interpreter's own name: this one may have been started from the removed environment.
    base = getattr(sys, "_base_executable", sys.executable)
    subprocess.run([base, "-I", "-m", "venv", VENV], check=True)


def install(project: dict[str, Any], groups: Iterable[str]) -> None:
    """Install the package in place, what it needs and `groups`, in the pinned versions."""
    STAMP.unlink(missing_ok=True)
    available: dict[str, list[str]] = project["dependency-groups"]
    requirements = [item for group in groups for item in available[group]]
    environment = {k: v for k, v in os.environ.items() if k not in FOREIGN_SETTINGS}
    # As variables the pins also hold for the build backend, which pip fetches on its own. By name
    # alone, because pip takes a space for the end of a path.
    environment |= dict.fromkeys(("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT"), CONSTRAINTS.name)
    options = ["--quiet", "--disable-pip-version-check", "--no-input"]
    command = [VENV / "bin" / "python", "-m", "pip", "install", *options, "--editable", ROOT]
    subprocess.run([*command, *requirements], check=True, env=environment, cwd=ROOT)
    # Where Python is told to keep no compiled modules, every command would compile all of ours.
    compiling = [VENV / "bin" / "python", "-m", "compileall", "-q", PACKAGE.parent]
    subprocess.run(compiling, check=True, env=environment)


def write_stamp(key: str, groups: list[str]) -> None:
    """Record that the environment is complete; the last step, and atomic."""
    stamp = Stamp(key, groups, dict(installed_files()))
    draft = STAMP.with_suffix(".draft")
    draft.write_text(json.dumps(stamp._asdict()), "utf-8")
    draft.replace(STAMP)


def installed_files() -> Iterator[tuple[str, int]]:
    """Yield name and size of every file that is run: scripts, modules and libraries."""
    for folder, _, names in os.walk(VENV):
        for name in names:
            path = Path(folder, name)
            if path.suffix in {".py", ".so"} or path.parent == VENV / "bin":
                yield str(path.relative_to(VENV)), path.stat().st_size


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
